"""The time after the command: whom it left behind is waited for, or ended."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Literal

from tracer.session.signals import FINAL, gave_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.session.controls import Controls
    from tracer.session.target import Target

Daemons = Literal["wait", "end"]
"""What becomes of processes of the target that outlive the command."""
NOTE_AFTER_S = 1.0
"""Most of what outlives a command does so for an instant: nobody need read about that."""


class Aftermath:
    """Decides when the whole target is to end.

    While the command lives, a signal is its own affair: it is passed on, and the command does
    with it what it likes, as without sbtrace. Nobody sends SIGTERM twice but to have an end of
    it; SIGINT may be typed as a key, daemons reload at each SIGHUP, Java tells its threads at
    each SIGQUIT. Once the command is gone nobody but sbtrace can be asked, and neither can
    anybody else where signals are not passed on (``Target.takes_signals``).
    """

    def __init__(self, target: Target, daemons: Daemons, controls: Controls) -> None:
        self._ending, self._daemons, self._controls = target.ending, daemons, controls
        self._before: set[int] = set()
        self._takes_signals = target.takes_signals
        self._decided = False
        self._note_at: float | None = None
        self.ended_by: int | None = None
        """The signal that ended the target, or what was left of it; None if none did."""

    def hear(self, numbers: Iterable[int]) -> None:
        """Take signals by which somebody wants the end: the second one does not ask again."""
        for number in numbers:
            if self._ending.begun:
                self._ending.at_once()
            elif self._decided or not self._takes_signals:
                self.ended_by = number
                self._ending.begin()
            elif number == signal.SIGTERM and number in self._before:
                self.ended_by = number
                self._ending.at_once()
            else:
                self._before.add(number)

    def command_ended(self, status: int | None, now: float) -> None:
        """Decide about the rest, once. ``status``: of wait(2), the command's; None if not known."""
        # One signal to the group is not to count twice: here, and again when it is certain.
        if self._decided or self._controls.wait_s is not None:
            return
        self._decided = True
        self._note_at = now + NOTE_AFTER_S
        asked = self._controls.asked_to_end
        obeyed = status is not None and gave_in(status, asked)
        if self._daemons == "end" or self._before & FINAL or obeyed:
            self._ending.begin()

    def waits(self) -> bool:
        """Whether it is time to say what is waited for: true once, unless all is being ended."""
        if self._note_at is None or self._ending.begun or time.monotonic() < self._note_at:
            return False
        self._note_at = None
        return True
