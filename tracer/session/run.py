"""One run from start to end: the only place that wires the parts together."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tracer import syscalls
from tracer.collectors.procfs import ProcfsCollector
from tracer.errors import (
    EXIT_FAILED,
    EXIT_SIGNAL_BASE,
    EXIT_TIMED_OUT,
    KernelError,
    StoreError,
)
from tracer.sandbox.launch import Launcher
from tracer.session import record as records
from tracer.session.reaper import Ending, Reaper, become_subreaper
from tracer.session.signals import SignalInbox
from tracer.store.spool import Spool
from tracer.store.writer import take_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracer.collectors.kernel import KernelCollector, KernelRecords
    from tracer.model import Loss, Run, RunRecord, Sample
    from tracer.profile import Profile
    from tracer.session.request import Plan

DIRECT_NRS = 512
"""Above every number that a kernel has: DIRECT_NRS of bpf/records.h."""

SNAPSHOT_S = 4.0
"""So often everything is put on the disk: what a crash costs at most, with room to 5 s."""


class Watcher(Protocol):
    """Who is told how the run goes; ``tracer.report.live.LiveLine`` is one."""

    enabled: bool

    def update(
        self,
        elapsed_ns: int,
        cpu_percent: float | None,
        memory_bytes: int | None,
        calls: int | None,
    ) -> None:
        """Show the state of the run. None = not known."""

    def clear(self) -> None:
        """Take the display away."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over."""

    record: RunRecord
    exit_status: int
    """What sbtrace is to exit with: the target's own, by the shell's convention."""
    troubles: tuple[str, ...]
    """What kept the record from going where it should, and where it is instead."""


def run(plan: Plan, watcher: Watcher) -> Finished:
    """Start the target, stay until the whole of it is gone, and record it.

    Raises SbtraceError if the target was not started.
    """
    become_subreaper()
    launcher = Launcher(plan.launch)
    try:
        kernel, missing = _kernel_collector(plan)
        if kernel is not None:
            kernel.enrol(launcher.pidfd)
    except BaseException:
        launcher.abandon()
        raise
    session = _Session(plan, launcher, kernel, missing, watcher)
    return session.run()


def _kernel_collector(plan: Plan) -> tuple[KernelCollector | None, str | None]:
    """Return the eBPF collector, or None and, if it was wanted, why there is none."""
    wish = plan.request.trace
    if wish == "none":
        return None, None
    try:
        if os.geteuid() != 0:
            raise KernelError("eBPF needs root: run it with sudo, or say --trace none")
        from tracer.collectors.kernel import KernelCollector

        return KernelCollector(_decide(plan.profile), _logged(plan.profile)), None
    except KernelError as error:
        if wish == "full":
            raise
        return None, str(error)


def _decide(profile: Profile) -> Callable[[str, int, tuple[int, ...]], str]:
    """Return what the profile does with a call, by the names of seccomp's actions."""
    return lambda abi, nr, args: profile.decide(abi, nr, args).action.kind.upper()


def _logged(profile: Profile) -> frozenset[int]:
    """Return the native numbers that the profile may let through with ``log``."""
    abi = profile.abis[0]
    if profile.default_action.kind == "log":
        return frozenset(range(DIRECT_NRS))
    names = {name for rule in profile.rules if rule.action.kind == "log" for name in rule.syscalls}
    numbers = (syscalls.number(abi, name) for name in names)
    return frozenset(nr for nr in numbers if nr is not None and nr < DIRECT_NRS)


class _Session:
    def __init__(
        self,
        plan: Plan,
        launcher: Launcher,
        kernel: KernelCollector | None,
        missing: str | None,
        watcher: Watcher,
    ) -> None:
        self._plan, self._launcher, self._kernel = plan, launcher, kernel
        self._watcher = watcher
        self._interval_s = plan.request.interval_ms / 1000
        self._start_ns = time.monotonic_ns()
        self._procfs = ProcfsCollector(
            launcher.pid, self._start_ns, plan.request.interval_ms * 1_000_000
        )
        self._reaper = Reaper(launcher.pid, self._procfs)
        self._ending = Ending(self._procfs.pids)
        self._signals = SignalInbox()
        self._missing = missing
        self._spool: Spool | None = None
        self._troubles: list[str] = []
        self._interrupted = self._timed_out = False

    def run(self) -> Finished:
        try:
            begun = self._start()
            self._keep(lambda: self._open_spool(begun))
            self._watch(begun)
            return self._finish(begun)
        finally:
            self._signals.close()

    def _start(self) -> Run:
        """Let the launcher go; return when its execve succeeded. Raises SbtraceError if not."""
        self._launcher.release()
        os.read(self._launcher.exec_fd, 1)  # end of file: the close-on-exec pipe is closed
        self._start_ns = time.monotonic_ns()
        started_at = datetime.now(UTC)
        failure = self._launcher.failure()
        if failure is not None:
            os.waitpid(self._launcher.pid, 0)
            raise failure
        self._procfs.rebase(self._start_ns)
        return records.opening(
            self._plan,
            secrets.token_hex(6),
            started_at,
            self._missing,
            traced=self._kernel is not None,
        )

    def _open_spool(self, begun: Run) -> None:
        self._spool = Spool.create(self._plan.database, begun)

    def _watch(self, begun: Run) -> None:
        """Sample, drain, reap and snapshot until the whole target is gone."""
        selector = selectors.DefaultSelector()
        selector.register(self._signals.fd, selectors.EVENT_READ)
        if self._kernel is not None:
            selector.register(self._kernel.ring_fd, selectors.EVENT_READ)
        next_sample = time.monotonic()
        next_snapshot = next_sample + SNAPSHOT_S
        deadline = None
        if self._plan.timeout_s is not None:
            deadline = self._start_ns / 1e9 + self._plan.timeout_s
        self._reap()
        while not self._reaper.gone:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                self._timed_out = True
                self._ending.begin()
                deadline = None
            if now >= next_sample:
                self._sample()
                next_sample = max(next_sample + self._interval_s, now)
            if now >= next_snapshot:
                self._keep(lambda: self._snapshot(begun))
                next_snapshot = time.monotonic() + SNAPSHOT_S
            wake_at = min(next_sample, deadline) if deadline is not None else next_sample
            selector.select(max(0.0, wake_at - time.monotonic()))
            self._receive()
            self._reap()
            if self._kernel is not None:
                self._kernel.drain()
        selector.close()

    def _sample(self) -> None:
        samples = self._procfs.sample()
        self._add(samples)
        self._ending.insist()
        self._keep(self._hand_on)
        if self._watcher.enabled:
            self._watcher.update(
                time.monotonic_ns() - self._start_ns,
                _total(row.cpu_percent for row in samples),
                _whole(_total(row.rss_bytes for row in samples)),
                self._kernel.calls_so_far() if self._kernel is not None else None,
            )

    def _receive(self) -> None:
        for received in self._signals.read():
            if received.number == signal.SIGCHLD:
                continue
            self._interrupted = True
            if not received.from_kernel:
                self._reaper.signal_main(received.number)

    def _reap(self) -> None:
        self._add(self._reaper.reap())

    def _add(self, samples: Sequence[Sample]) -> None:
        if samples and self._spool is not None:
            spool = self._spool
            self._keep(lambda: spool.add_samples(samples))

    def _keep(self, action: Callable[[], None]) -> None:
        """Do something for the record; the target does not suffer if it fails."""
        try:
            action()
        except StoreError as error:
            if str(error) not in self._troubles:
                self._troubles.append(str(error))

    def _snapshot(self, begun: Run) -> None:
        if self._spool is not None:
            kernel = self._kernel.snapshot() if self._kernel is not None else None
            record = records.so_far(
                begun, self._procfs.totals(), kernel, self._losses(kernel), self._wall_ns()
            )
            self._hand_on()
            self._spool.snapshot(_not_final(record, kernel))

    def _hand_on(self) -> None:
        """Put on the disk what will not change any more, and keep it no longer."""
        if self._kernel is not None and self._spool is not None:
            rows = self._kernel.take_final()
            self._spool.add_final("syscalls", rows.stats)
            self._spool.add_final("syscall_errors", rows.errors)
            self._spool.add_final("processes", rows.processes)

    def _wall_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def _losses(self, kernel: KernelRecords | None) -> list[Loss]:
        return [*(kernel.losses if kernel is not None else ()), *self._procfs.losses()]

    def _finish(self, begun: Run) -> Finished:
        wall_ns = self._wall_ns()
        self._watcher.clear()
        kernel = self._kernel.stop() if self._kernel is not None else None
        ended = records.Ended(self._reaper.main_status, self._timed_out, self._interrupted, wall_ns)
        final = records.closing(
            self._plan, begun, ended, self._procfs.totals(), kernel, self._losses(kernel)
        )
        if self._spool is not None:
            spool = self._spool
            self._keep(self._hand_on)
            self._keep(lambda: spool.finish(_not_final(final, kernel)))
            if spool.trouble:
                self._troubles.append(spool.trouble)
            for waiting in take_in(self._plan.database).waiting:
                if waiting.run_id == final.run.run_id:
                    self._troubles.append(waiting.reason)
        return Finished(final, exit_status(final.run), tuple(self._troubles))


def _not_final(record: RunRecord, kernel: KernelRecords | None) -> RunRecord:
    """Return the record as a snapshot has it: with the rows that may change yet, by thread."""
    if kernel is None:
        return record
    return replace(
        record,
        syscalls=tuple(kernel.live.stats),
        syscall_errors=tuple(kernel.live.errors),
        processes=tuple(kernel.live.processes),
    )


def exit_status(run: Run) -> int:
    """Return the exit status for a run: the target's, 128+N for a signal, 124 out of time."""
    if run.outcome == "timed_out":
        return EXIT_TIMED_OUT
    if run.exit_code is not None:
        return run.exit_code
    return EXIT_SIGNAL_BASE + run.term_signal if run.term_signal is not None else EXIT_FAILED


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
