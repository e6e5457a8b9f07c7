"""The command's ties to whoever started sbtrace: signals to it, its stops back."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tracer.session.signals import ENDING, FORWARDED, Relay, ignored_by_caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.session.processes.guard import Guard
    from tracer.session.signals import SignalInbox
    from tracer.session.target import Target


class Controls:
    """Passes signals on to the command, and lets the front stop and go on as it does."""

    def __init__(self, target: Target, inbox: SignalInbox, guard: Guard | None) -> None:
        self._target, self._inbox, self._guard = target, inbox, guard
        self._relay = Relay(in_front=guard is not None)
        self._heeded = ENDING - ignored_by_caller()
        self._over = False
        self.asked_to_end: frozenset[int] = frozenset()
        """Signals that came and by which somebody wants the run to be over."""
        self.stopped = False
        """Whether the command is stopped, by Ctrl-Z for example."""
        self.before_stop: Callable[[], None] = _nothing
        """Called before the caller's shell gets the terminal back."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that become readable when ``receive`` and ``follow`` have something to do."""
        return (self._inbox.fd, *((self._guard.relay_fd,) if self._guard is not None else ()))

    @property
    def wait_s(self) -> float | None:
        """Seconds until ``receive`` has to be called again; None if only for a signal."""
        return self._relay.wait_s

    def receive(self) -> list[int]:
        """Take in what has come, and send the command what it has not got yet.

        Return those by which somebody wants the run to be over, once each.
        """
        relayed = self._guard.relayed() if self._guard is not None else []
        received = self._inbox.read()
        typed = [one.number for one in received if one.from_kernel]
        own = [one.number for one in received if not one.from_kernel and one.number in FORWARDED]
        self.asked_to_end |= self._heeded.intersection((*relayed, *own, *typed))
        taken = self._relay.take(own, relayed, time.monotonic())
        for number in taken.send:
            if number != signal.SIGCONT or self.stopped:
                self._target.send(number)
        self._stop_alone(typed, relayed)
        return [number for number in (*typed, *taken.heard) if number in self._heeded]

    def _stop_alone(self, typed: list[int], relayed: list[int]) -> None:
        """Give the terminal back on Ctrl-Z, which there is no command any more to follow in."""
        if not self._over:
            return
        if signal.SIGCONT in relayed:
            self.stopped = False
        elif signal.SIGTSTP in typed:
            self._become(stopped=True)

    def follow(self) -> None:
        """Let the front stop when the command was stopped, and go on when it does.

        The front's caller, a shell with job control, then takes the terminal, and gives it
        back with the SIGCONT that reaches the whole process group.
        """
        while (change := self._target.stop_change()) is not None:
            self._become(stopped=change)

    def ended(self) -> None:
        """The command is no more: a front that was stopped with it goes on. Call it once."""
        self._over = True
        if self.stopped:
            self._become(stopped=False)

    def _become(self, *, stopped: bool) -> None:
        self.stopped = stopped
        if stopped:
            self.before_stop()
        if self._guard is not None:
            self._guard.signal_front(signal.SIGSTOP if stopped else signal.SIGCONT)


def _nothing() -> None:
    """Who has drawn nothing has nothing to take away."""
