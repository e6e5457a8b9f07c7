"""A second kind of target, driven by the real supervision, which knows none of the kinds.

It is what attaching needs at least: a process that somebody else started, watched by its pidfd. It
is no child of sbtrace, so nobody here reaps it, and it is never signalled.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tracer.collectors.procfs import ProcfsCollector, UsedBefore
from tracer.session.controls import Controls
from tracer.session.record import Description
from tracer.session.signals import Received
from tracer.session.supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer.model import Sample
    from tracer.session.journal import Journal
    from tracer.session.signals import SignalInbox
    from tracer.session.supervision import Watcher
    from tracer.session.target import AccountKeeper, Target

INTERVAL_S = 0.01


class One:
    """One process, as ``Processes`` has it."""

    def __init__(self, pid: int) -> None:
        self.top_pid, self.first = pid, (pid,)

    def pids(self) -> list[int]:
        return list(self.first)


class LetGo:
    """The end of the watching: nothing is done to the target."""

    wait_s = None

    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        self.begun = True

    at_once = begin

    def insist(self) -> None: ...


class Attached:
    """A process that somebody else started."""

    takes_signals = False
    status = None
    description = Description(("sleep",), "/bin/sleep", "/", 0, None, None, None)

    def __init__(self, pid: int) -> None:
        self.pidfd = os.pidfd_open(pid)
        self.processes, self.ending = One(pid), LetGo()
        self.descriptors = (self.pidfd,)
        self.start_ns = 0
        self.sent: list[int] = []

    @property
    def ended(self) -> bool:
        return bool(select.select([self.pidfd], [], [], 0)[0])

    @property
    def gone(self) -> bool:
        return self.ended or self.ending.begun

    def enrol(self, follow: Callable[[int], None]) -> None:
        follow(self.pidfd)

    def begin(self, _wait: Callable[[int], None]) -> None:
        self.start_ns = time.monotonic_ns()

    def used_before(self) -> UsedBefore:
        return UsedBefore(0, 0, 0, 0, 0)

    def collect(self, _accounts: AccountKeeper) -> list[Sample]:
        return []

    def send(self, number: int) -> None:
        self.sent.append(number)

    def stop_change(self) -> bool | None:
        return None

    def abandon(self) -> None: ...

    def unprotected(self) -> tuple[str, ...]:
        return ()

    def refused_forks(self) -> int | None:
        return None


class Inbox:
    """A pipe in place of a signalfd."""

    def __init__(self) -> None:
        self.fd, self._writer = os.pipe2(os.O_NONBLOCK)

    def come(self, number: int) -> None:
        os.write(self._writer, bytes([number]))

    def read(self) -> list[Received]:
        try:
            return [Received(number, from_kernel=True) for number in os.read(self.fd, 16)]
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._writer)


class Kept:
    """Journal and watcher in one; does something at the first sample."""

    enabled = False

    def __init__(self, at_first: Callable[[], None]) -> None:
        self.samples: list[Sample] = []
        self._at_first = at_first

    def add(self, samples: list[Sample]) -> None:
        is_first = bool(samples) and not self.samples
        self.samples += samples
        if is_first:
            self._at_first()

    def hand_on(self) -> None: ...
    def clear(self) -> None: ...


@pytest.fixture
def stranger() -> Iterator[int]:
    """Pid of a process that is not our child."""
    script = "sleep 600 >/dev/null 2>&1 & echo $!"
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    pid = int(shell.stdout)
    handle = os.pidfd_open(pid)
    yield pid
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def watched(
    target: Attached, at_first: Callable[[Inbox], None], timeout_s: float | None = None
) -> tuple[Supervision, Kept]:
    """Attach, do something once a sample is taken, and stay until the target is gone."""
    inbox = Inbox()
    kept = Kept(lambda: at_first(inbox))
    procfs = ProcfsCollector(target.processes, time.monotonic_ns(), int(INTERVAL_S * 1e9))
    checked: Target = target
    controls = Controls(checked, cast("SignalInbox", inbox), None)
    watching = Supervision(checked, INTERVAL_S, [procfs], procfs, controls, None)
    target.begin(lambda _fd: None)
    watching.watch(
        target.start_ns, timeout_s, cast("Journal", kept), lambda: None, cast("Watcher", kept)
    )
    inbox.close()
    os.close(target.pidfd)
    return watching, kept


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_the_loop_ends_with_a_process_that_is_not_ours_to_reap(stranger: int) -> None:
    target = Attached(stranger)
    watching, kept = watched(target, lambda _inbox: os.kill(stranger, signal.SIGKILL))
    assert {row.pid for row in kept.samples} == {stranger}
    assert (watching.ended_by, watching.timed_out) == (None, False)


def test_ctrl_c_is_not_passed_on_but_ends_the_watching_alone(stranger: int) -> None:
    target = Attached(stranger)
    watching, _ = watched(target, lambda inbox: inbox.come(signal.SIGINT))
    assert watching.ended_by == signal.SIGINT
    assert target.sent == []
    assert lives(stranger)


def test_when_the_time_is_over_the_target_is_let_go(stranger: int) -> None:
    watching, kept = watched(Attached(stranger), lambda _inbox: None, timeout_s=3 * INTERVAL_S)
    assert watching.timed_out
    assert kept.samples
    assert lives(stranger)
