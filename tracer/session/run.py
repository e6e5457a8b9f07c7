"""One run from start to end: the only place that wires the parts together."""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tracer import linux
from tracer.collectors.procfs import ProcfsCollector
from tracer.errors import (
    EXIT_FAILED,
    EXIT_SIGNAL_BASE,
    EXIT_TIMED_OUT,
    NotStarted,
    SandboxError,
)
from tracer.sandbox.signals import hold
from tracer.session import record as records
from tracer.session.controls import Controls
from tracer.session.counting import kernel_collector
from tracer.session.journal import Journal
from tracer.session.processes.front import leave_streams
from tracer.session.processes.guard import make_room
from tracer.session.signals import HELD, SignalInbox
from tracer.session.supervision import Supervision, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer.collectors.interface import Collector, Findings
    from tracer.model import Run, RunRecord
    from tracer.session.processes.guard import Guard
    from tracer.session.request import Plan
    from tracer.store.loader import Loader


class Finished(NamedTuple):
    """A run that is over."""

    record: RunRecord
    exit_status: int
    """What sbtrace is to exit with: the target's own, by the shell's convention."""
    unprotected: Sequence[str]
    """What the target was not kept from, although its profile restricts."""
    settle: Callable[[], Sequence[str]]
    """Waits until the run is in the database; returns what kept it from there, and where it is
    instead."""
    whole: Callable[[], RunRecord] | None
    """Gives ``record`` with every process of the run, after ``settle``; None where it has them
    all: memory holds the last ones that ended."""


def run(
    plan: Plan, watcher: Watcher, guard: Guard | None = None, loader: Loader | None = None
) -> Finished:
    """Start the target, stay until the whole of it is gone, and record it.

    ``guard``: of ``guard.split``, where the calling process is sbtrace's alone. Without
    it a SIGKILL of this process ends the command, but not what the command left behind.
    ``loader`` takes the run into the database; without one the calling process does.
    Signals that a run is steered by stay blocked. Raises SbtraceError if the target was not
    started.
    """
    with ExitStack() as stack:
        try:
            session = _Session(plan, guard, loader, stack)
            begun = session.start()
        except OSError as error:
            raise SandboxError(
                f"cannot start the target: {error.strerror}: look at the limits (ulimit -a)"
            ) from error
        return session.attend(begun, watcher)


class _Session:
    """The parts of one run. Made with the launcher waiting; ``stack`` undoes it."""

    def __init__(
        self, plan: Plan, guard: Guard | None, loader: Loader | None, stack: ExitStack
    ) -> None:
        self._plan, self._guard, self._loader = plan, guard, loader
        held = hold(HELD)
        signals = guard.signals if guard is not None else held
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        open_files = guard.open_files if guard is not None else make_room()
        inbox = SignalInbox()
        stack.callback(inbox.close)
        get_ready = loader.get_ready if loader is not None else _nothing
        self._target = plan.target.prepare(signals, open_files, get_ready, stack)
        if guard is not None:
            leave_streams(0, 1)
        kernel, self._missing = kernel_collector(plan.request.trace, plan.profile)
        self._traced = kernel is not None
        self._start_ns = time.monotonic_ns()
        interval_ns = plan.request.interval_ns
        self._procfs = ProcfsCollector(self._target.processes, self._start_ns, interval_ns)
        self._collectors: list[Collector] = [*([kernel] if kernel else []), self._procfs]
        for collector in self._collectors:
            self._target.enrol(collector.enrol)
        self._controls = Controls(self._target, inbox, guard)
        self._supervision = Supervision(
            self._target,
            interval_ns / 1e9,
            self._collectors,
            self._procfs,
            self._controls,
            guard,
            plan.request.daemons,
        )

    def start(self) -> Run:
        """Let the target begin; return when it has. Raises SbtraceError if it cannot."""
        self._require_wanted()
        if self._guard is not None:
            # Else a target of the same user could trace sbtrace, which has no filter: ptrace(2).
            linux.prctl(linux.PR_SET_DUMPABLE, 0)
        self._target.begin(self._await)
        gc.enable()
        self._start_ns = self._target.start_ns
        for collector in self._collectors:
            collector.start(self._start_ns)
        ago = timedelta(microseconds=(time.monotonic_ns() - self._start_ns) / 1000)
        started_at = datetime.now(UTC) - ago
        self._procfs.take_off(self._target.used_before())
        return records.opening(
            self._plan,
            self._target.description,
            os.urandom(6).hex(),
            started_at,
            self._missing,
            traced=self._traced,
        )

    def _require_wanted(self) -> None:
        """Raise NotStarted if somebody asked for the end while all was being prepared."""
        self._controls.receive()
        if self._guard is not None and self._guard.broken:
            raise NotStarted(signal.SIGKILL)
        for number in self._controls.asked_to_end:
            raise NotStarted(number)

    def _await(self, descriptor: int) -> None:
        """Wait until ``descriptor`` is readable; Ctrl-Z may stop the target meanwhile."""
        waiting = select.poll()
        for watched in (descriptor, *self._controls.descriptors):
            waiting.register(watched, select.POLLIN)
        while descriptor not in (fd for fd, _event in waiting.poll()):
            self._controls.receive()
            self._controls.follow()

    def attend(self, begun: Run, watcher: Watcher) -> Finished:
        """Stay with the target to its end, and record the run.

        Whatever is raised, of a fault of sbtrace's own too, leaves nobody of the target alive.
        """
        journal = None
        try:
            journal = Journal(self._plan.database, begun, self._collectors, self._loader)
            return self._attend(begun, journal, watcher)
        except Exception:
            # The guard does the same, but what is on the disk waits for it to be over.
            with suppress(Exception):
                self._target.abandon()
            with suppress(Exception):
                watcher.clear()
            if journal is not None:
                self._give_up(begun, journal)
            raise

    def _give_up(self, begun: Run, journal: Journal) -> None:
        """Keep what can still be kept."""
        with suppress(Exception):
            self._snapshot(begun, journal)
        with suppress(Exception):
            journal.give_up()

    def _attend(self, begun: Run, journal: Journal, watcher: Watcher) -> Finished:
        self._supervision.watch(
            self._start_ns,
            self._plan.timeout_s,
            journal,
            lambda: self._snapshot(begun, journal),
            watcher,
        )
        gone_ns = time.monotonic_ns()
        watcher.clear()
        findings = [collector.stop() for collector in self._collectors]
        final = self._final(begun, findings, records.end_ns(findings, gone_ns) - self._start_ns)
        journal.finish(final, findings)
        for collector in self._collectors:
            collector.close()  # while the run goes into the database
        status = exit_status(final.run, self._supervision.ended_by)
        unprotected = self._target.unprotected()
        return Finished(final, status, unprotected, journal.settle, _whole(final, journal))

    def _snapshot(self, begun: Run, journal: Journal) -> None:
        findings = [collector.snapshot() for collector in self._collectors]
        wall_ns = time.monotonic_ns() - self._start_ns
        journal.snapshot(records.so_far(begun, findings, wall_ns), findings)

    def _final(self, begun: Run, findings: Sequence[Findings], wall_ns: int) -> RunRecord:
        ended = records.Ended(
            status=self._target.status,
            timed_out=self._supervision.timed_out,
            interrupted_by=self._controls.asked_to_end,
            ended_by=self._supervision.ended_by,
            broken_off=self._supervision.broken_off,
            refused_forks=self._target.refused_forks(),
            wall_ns=wall_ns,
        )
        return records.closing(self._plan, begun, ended, findings)


def _whole(record: RunRecord, journal: Journal) -> Callable[[], RunRecord] | None:
    """What gives the record with the processes that it has forgotten; None if it has them all."""
    from tracer.collectors.kernel.accounts import KEPT

    if len(record.processes) < KEPT:
        return None
    return lambda: journal.with_every_process(record)


def _nothing() -> None:
    """Without a loader nobody gets ready."""


def exit_status(run: Run, ended_by: int | None = None) -> int:
    """Return the exit status for a run: the target's, 128+N for a signal, 124 out of time.

    ``ended_by``: the signal that ended what the command had left behind. Whoever sent it wants
    what comes after the run no more, whatever the command's own status had been.
    """
    if run.outcome == "timed_out":
        return EXIT_TIMED_OUT
    if ended_by is not None:
        return EXIT_SIGNAL_BASE + ended_by
    if run.exit_code is not None:
        return run.exit_code
    return EXIT_SIGNAL_BASE + run.term_signal if run.term_signal is not None else EXIT_FAILED
