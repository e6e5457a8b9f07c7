"""A target that sbtrace starts: a command, and every process that descends from it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from tracer.capabilities import names_of
from tracer.collectors.procfs import ProcessTree, UsedBefore
from tracer.sandbox.command import identity_of
from tracer.sandbox.launch import Launcher
from tracer.sandbox.processes import ProcessBound
from tracer.session.processes.children import end_children
from tracer.session.record import Description

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from tracer.model import Sample
    from tracer.sandbox.launch import Launch
    from tracer.sandbox.signals import SignalState
    from tracer.session.target import AccountKeeper

_GRACE_S = 2.0
"""Between SIGTERM and SIGKILL."""
_ROUND_S = 0.001


class LaunchPlan(NamedTuple):
    """A command to be started, found good."""

    launch: Launch
    cwd: str
    most_processes: int | None
    """The profile's bound on processes and threads; None: no bound."""

    def prepare(
        self,
        signals: SignalState,
        open_files: tuple[int, int],
        get_ready: Callable[[], None],
        stack: ExitStack,
    ) -> Launched:
        """Fork the launcher, which waits. See ``TargetPlan``."""
        bound = self._bound(stack)
        # RLIMIT_NPROC counts DuckDB's threads too, if they are the target's user's: they would
        # take its room. DuckDB is then started when the target is gone.
        if bound is None or not bound.rlimits:
            get_ready()
        launcher = Launcher(self.launch, signals)
        stack.callback(launcher.close)
        launcher.limit_descriptors(open_files)
        if bound is not None:
            launcher.bound(bound.rlimits)
            bound.enrol(launcher.pid)
        return Launched(self, launcher, bound)

    def _bound(self, stack: ExitStack) -> ProcessBound | None:
        if self.most_processes is None:
            return None
        bound = ProcessBound(self.most_processes, self.launch.user)
        stack.callback(bound.close)
        return bound


class Launched:
    """The command and its descendants, which are all that descends from sbtrace: a ``Target``.

    sbtrace is their subreaper (prctl(2)), so it reaps the command and each orphan.
    """

    takes_signals = True
    descriptors: tuple[int, ...] = ()

    def __init__(self, plan: LaunchPlan, launcher: Launcher, bound: ProcessBound | None) -> None:
        self._plan, self._launcher, self._bound = plan, launcher, bound
        self.processes = ProcessTree(os.getpid(), (launcher.pid,))
        self.ending = Ending(self.processes.pids)
        self.status: int | None = None
        self.gone = False

    @property
    def description(self) -> Description:
        """The command as it was asked for, and the rights that it begins with."""
        launch, rights = self._plan.launch, self._plan.launch.privileges
        return Description(
            argv=launch.argv,
            executable=identity_of(launch.file),
            cwd=self._plan.cwd,
            target_uid=launch.user.uid,
            capabilities=names_of(rights.begins_with),
            dropped_capabilities=names_of(rights.loses),
            no_new_privs=rights.no_new_privs_then,
        )

    @property
    def start_ns(self) -> int:
        """CLOCK_MONOTONIC instant of the last step before the command's execve."""
        return self._launcher.last_step_ns

    @property
    def ended(self) -> bool:
        """Whether the command itself was reaped."""
        return self.status is not None

    def enrol(self, follow: Callable[[int], None]) -> None:
        """Give ``follow`` the pidfd of the waiting launcher."""
        follow(self._launcher.pidfd)

    def begin(self, wait: Callable[[int], None]) -> None:
        """Let the launcher go; return when its execve succeeded. Raises SbtraceError if not."""
        self._launcher.release()
        wait(self._launcher.exec_fd)
        failure = self._launcher.failure()
        if failure is not None:
            raise failure

    def used_before(self) -> UsedBefore:
        """Return what the launcher itself had used."""
        return UsedBefore(*self._launcher.used())

    def collect(self, accounts: AccountKeeper) -> list[Sample]:
        """Reap whoever is dead; return their last rows."""
        rows: list[Sample] = []
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                self.gone = True
                return rows
            if found is None:
                return rows
            row = accounts.final(found.si_pid)
            if row is not None:
                rows.append(row)
            pid, status, usage = os.wait4(found.si_pid, 0)
            accounts.reaped(pid, status, usage)
            if pid == self._launcher.pid:
                self.status = status

    def send(self, number: int) -> None:
        """Send a signal by pidfd: a number alone may be another's once the command is reaped."""
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._launcher.pidfd, number)

    def stop_change(self) -> bool | None:
        """Whether the command was stopped (true) or continued (false) since the last time."""
        flags = os.WSTOPPED | os.WCONTINUED | os.WNOHANG
        try:
            found = os.waitid(os.P_PID, self._launcher.pid, flags)
        except ChildProcessError:
            return None
        return None if found is None else found.si_code != os.CLD_CONTINUED

    def abandon(self) -> None:
        """Kill all of it."""
        end_children()

    def unprotected(self) -> tuple[str, ...]:
        """Say what it is not kept from, as the kernel or the caller's rights do not allow it."""
        return self._launcher.unprotected()

    def refused_forks(self) -> int | None:
        """How many forks its bound refused; None if it has none, or none that counts."""
        return self._bound.refusals() if self._bound is not None else None


class Ending:
    """Ends the whole target: SIGTERM, and after a grace period SIGKILL until it is gone."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._kill_at: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the target is being ended."""
        return self._kill_at is not None

    def begin(self) -> None:
        """Ask every process to end; a stopped one is woken so that it can."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + _GRACE_S
            self._send(signal.SIGTERM)
            self._send(signal.SIGCONT)

    def at_once(self) -> None:
        """Kill without asking: call ``insist`` from now on."""
        self._kill_at = time.monotonic()

    def insist(self) -> None:
        """Once the grace period is over, kill what is there; call it until nothing is."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._send(signal.SIGKILL)

    @property
    def wait_s(self) -> float | None:
        """Seconds until ``insist`` has to be called again; None if it need not be."""
        if self._kill_at is None:
            return None
        # Between two rounds a process may fork: the shorter the pause, the fewer do.
        return max(_ROUND_S, self._kill_at - time.monotonic())

    def _send(self, number: int) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
