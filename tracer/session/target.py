"""What a session needs of a target, whichever way sbtrace came to watch it. Types alone.

``tracer.session.launched`` has the target that sbtrace starts itself. Another kind implements
``Target``, and its plan implements ``TargetPlan``. Nothing else in a session knows the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import resource
    from collections.abc import Callable
    from contextlib import ExitStack

    from tracer.collectors.interface import Processes
    from tracer.collectors.procfs import UsedBefore
    from tracer.model import Sample
    from tracer.sandbox.signals import SignalState
    from tracer.session.record import Description


class AccountKeeper(Protocol):
    """Who keeps the accounts of processes that end; ``ProcfsCollector`` is one."""

    def final(self, pid: int) -> Sample | None:
        """Read the account of a process that is dead and not reaped yet: its last row."""

    def reaped(self, pid: int, status: int, rusage: resource.struct_rusage) -> None:
        """Take what ``os.wait4`` gave for a process that was reaped."""


class Ending(Protocol):
    """How a session stops watching a target that does not end by itself.

    A launched target is ended; a target that somebody else started is only let go.
    """

    @property
    def begun(self) -> bool:
        """Whether it is under way."""

    @property
    def wait_s(self) -> float | None:
        """Seconds until ``insist`` has to be called again; None if it need not be."""

    def begin(self) -> None:
        """Begin gently."""

    def at_once(self) -> None:
        """Leave no time: call ``insist`` from now on."""

    def insist(self) -> None:
        """Do what is due; call it until the target is gone."""


class Target(Protocol):
    """The processes that a run is about.

    Order of use: ``enrol`` for each collector that follows tasks, ``begin``, then ``collect``
    until it is ``gone``.
    """

    @property
    def description(self) -> Description:
        """What it is."""

    @property
    def processes(self) -> Processes:
        """Which processes belong to it."""

    @property
    def start_ns(self) -> int:
        """CLOCK_MONOTONIC instant that figures count from; known after ``begin``."""

    @property
    def takes_signals(self) -> bool:
        """Whether a signal to sbtrace is the business of the main process while that lives."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that become readable when ``collect`` has something to do.

        They stay the same during a run: an epoll(7) can stand for many. SIGCHLD is heard anyway.
        """

    @property
    def ended(self) -> bool:
        """Whether the main process has ended."""

    @property
    def status(self) -> int | None:
        """Wait status of the main process; None while it runs, or if nobody can tell."""

    @property
    def gone(self) -> bool:
        """Whether nothing is left to watch."""

    @property
    def ending(self) -> Ending:
        """What stops the watching."""

    def enrol(self, follow: Callable[[int], None]) -> None:
        """Give ``follow`` a pidfd of each process that is there before ``begin``."""

    def begin(self, wait: Callable[[int], None]) -> None:
        """Let the run begin. ``wait(fd)`` returns once ``fd`` is readable.

        Raises SbtraceError if there is nothing to watch.
        """

    def used_before(self) -> UsedBefore:
        """Return what its accounts held at ``start_ns``, which is not the run's."""

    def collect(self, accounts: AccountKeeper) -> list[Sample]:
        """Take notice of whoever has ended; return their last rows."""

    def send(self, number: int) -> None:
        """Pass a signal on to the main process."""

    def stop_change(self) -> bool | None:
        """Whether the main process is stopped now, if that changed; None if it did not."""

    def abandon(self) -> None:
        """Leave nothing behind after an error: end at once what sbtrace itself started."""

    def unprotected(self) -> tuple[str, ...]:
        """Say what it is not kept from, although its profile restricts it."""

    def refused_forks(self) -> int | None:
        """How many forks a bound on processes refused; None if it is not known."""


class TargetPlan(Protocol):
    """A target that was asked for, with every mistake in that reported."""

    def prepare(
        self,
        signals: SignalState,
        open_files: tuple[int, int],
        get_ready: Callable[[], None],
        stack: ExitStack,
    ) -> Target:
        """Return the target, ready to ``begin``; ``stack`` undoes it.

        ``signals`` and ``open_files``: what sbtrace's caller had set. ``get_ready`` is called
        as soon as others may begin to work beside the run.
        """
