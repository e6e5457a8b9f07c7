"""A third kind of collector, taken along by the real loop, journal and record, which know no kind.

It is what a stream of events needs at least: a descriptor of its own, rows that are settled as they
come, figures that change, and a loss.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from tests.unit.session.test_another_target import (
    INTERVAL_S,
    Attached,
    Inbox,
    Kept,
    stranger,
)
from tests.unit.store.records import a_record, a_run
from tracer.collectors.procfs import ProcfsCollector
from tracer.model import Loss, RunRecord
from tracer.session.controls import Controls
from tracer.session.journal import Journal
from tracer.session.record import end_ns, so_far
from tracer.session.supervision import Supervision
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tracer.collectors.interface import Collector
    from tracer.model import Sample
    from tracer.session.signals import SignalInbox
    from tracer.session.supervision import Watcher

__all__ = ["stranger"]
ROWS = a_record().processes
WORD = b"three"
SELDOM_S = 5.0


class Heard(NamedTuple):
    """What the collector has found."""

    heard: int
    losses: tuple[Loss, ...]
    last_ns: int | None = None

    def added_to(self, record: RunRecord) -> RunRecord:
        return record._replace(run=record.run._replace(sigsys=self.heard), processes=ROWS)

    def unsettled(self, record: RunRecord) -> RunRecord:
        return record._replace(processes=())


class Stream:
    """Hears bytes in a pipe."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe2(os.O_NONBLOCK)
        self.descriptors = (self._reader,)
        self.done: list[str] = []
        self.heard = 0
        self.when_heard: Callable[[], object] = list
        self._rows = list(ROWS)

    def enrol(self, pidfd: int) -> None:
        self.done.append("enrol")

    def start(self, start_ns: int) -> None:
        self.done.append("start")

    def poll(self) -> None:
        try:
            self.heard += len(os.read(self._reader, 64))
        except BlockingIOError:
            return
        self.when_heard()

    def say(self) -> None:
        os.write(self.writer, WORD)

    def sample(self) -> Sequence[Sample]:
        return ()

    def calls_so_far(self) -> int | None:
        return None

    def settled(self) -> Mapping[str, Sequence[NamedTuple]]:
        rows, self._rows = self._rows, []
        return {"processes": rows}

    def snapshot(self) -> Heard:
        return Heard(self.heard, (Loss("stream", "lost_events", 3),) if self.heard else ())

    def stop(self) -> Heard:
        self.done.append("stop")
        return self.snapshot()

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream()
    yield made
    made.close()


def test_it_is_polled_when_its_descriptor_becomes_readable(
    stranger: int,
    stream: Stream,
) -> None:
    """Before the next sample, which is what wakes the loop up otherwise."""
    collector: Collector = stream
    target, inbox = Attached(stranger), Inbox()
    stream.when_heard = lambda: os.kill(stranger, signal.SIGKILL)
    kept = Kept(stream.say)
    procfs = ProcfsCollector(target.processes, time.monotonic_ns(), int(INTERVAL_S * 1e9))
    controls = Controls(target, cast("SignalInbox", inbox), None)
    watching = Supervision(target, SELDOM_S, [collector, procfs], procfs, controls, None)
    target.begin(lambda _fd: None)
    watching.watch(
        target.start_ns, None, cast("Journal", kept), lambda: None, cast("Watcher", kept)
    )
    inbox.close()
    os.close(target.pidfd)
    assert stream.heard == len(WORD)
    assert len(kept.samples) == 1  # the other collector's, and none after it


def test_its_figures_and_losses_are_in_the_record(stream: Stream) -> None:
    stream.say()
    stream.poll()
    found = so_far(a_run(trace="full"), [stream.snapshot()], 7)
    assert found.run.sigsys == len(WORD)
    assert found.losses == (Loss("stream", "lost_events", 3),)
    assert end_ns([stream.snapshot(), Heard(0, (), last_ns=5)], 9) == 5


def test_rows_that_are_settled_are_in_the_database_once(stream: Stream, tmp_path: Path) -> None:
    database = tmp_path / "runs.duckdb"
    begun = a_run(outcome="running")
    journal = Journal(database, begun, [stream])
    for _ in range(3):
        findings = [stream.snapshot()]
        journal.snapshot(so_far(begun, findings, 5), findings)
    findings = [stream.stop()]
    final = so_far(begun, findings, 5)
    journal.finish(final._replace(run=final.run._replace(outcome="exited", exit_code=0)), findings)
    assert journal.settle() == []
    with Reader(database) as reader:
        assert reader.load(begun.run_id).processes == ROWS
