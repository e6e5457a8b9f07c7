"""Signals as something to read: a signalfd(2), which Python does not wrap."""

from __future__ import annotations

import os
import signal
import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from tracer import linux
from tracer.errors import EXIT_SIGNAL_BASE

if TYPE_CHECKING:
    from collections.abc import Iterable

_INFO_BYTES = 128
_INFO = struct.Struct("=Iii")  # ssi_signo, ssi_errno, ssi_code of struct signalfd_siginfo

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
"""Whoever sends one of these wants the run to be over."""
FINAL = frozenset({signal.SIGINT, signal.SIGTERM})
"""Of these, what nothing but an end is asked for with: daemons reload at SIGHUP, Java tells its
threads at SIGQUIT."""
FORWARDED = ENDING | {signal.SIGUSR1, signal.SIGUSR2}
"""Passed on to the command."""
STOPPING = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""Of job control: they are the command's own business; sbtrace follows what it does."""
HELD = FORWARDED | STOPPING | {signal.SIGCHLD}
"""What sbtrace reads instead of being interrupted by it."""

_WAIT_FOR_GROUP_S = 0.05
"""The same signal to the whole process group reaches all of it within microseconds."""


class Received(NamedTuple):
    """One signal that came to sbtrace."""

    number: int
    from_kernel: bool
    """True if the terminal sent it (Ctrl-C): then the target, in the same process group,
    got it as well. False if a process sent it."""


def gave_in(status: int, asked: Iterable[int]) -> bool:
    """Whether a command ended by a signal, or as a shell reports one, after it was asked to.

    ``status``: of wait(2); ``asked``: signals that came to sbtrace. A program that took Ctrl-C as
    a key and went on, as an editor does, did not.
    """
    if os.WIFSIGNALED(status):
        return any(True for _ in asked)
    return any(os.waitstatus_to_exitcode(status) == EXIT_SIGNAL_BASE + n for n in asked)


def ignored_by_caller() -> frozenset[int]:
    """Those of ``ENDING`` that sbtrace was started with as ignored, by nohup(1) for example.

    They arrive all the same: what is blocked is kept, also if it is ignored (kernel/signal.c,
    sig_ignored).
    """
    return frozenset(n for n in ENDING if signal.getsignal(n) is signal.SIG_IGN)


class SignalInbox:
    """Gives the signals of ``HELD``, which must be blocked, to whoever reads."""

    def __init__(self) -> None:
        self.fd = linux.signalfd(HELD)

    def read(self) -> list[Received]:
        """Return what has come since the last time, except SIGCHLD, SIGTTIN and SIGTTOU."""
        try:
            data = os.read(self.fd, 32 * _INFO_BYTES)
        except BlockingIOError:
            return []
        found = []
        for at in range(0, len(data), _INFO_BYTES):
            number, _errno, code = _INFO.unpack_from(data, at)
            if number in FORWARDED or number == signal.SIGTSTP:
                found.append(Received(number, from_kernel=code > 0))
        return found

    def close(self) -> None:
        """Forget what is still to be read."""
        self.read()
        os.close(self.fd)


class Taken(NamedTuple):
    """What ``Relay.take`` makes of the signals that processes sent."""

    send: list[int]
    """To be sent to the command now."""
    heard: list[int]
    """All that came, once each: those of ``send``, and those that the command got already."""


class Relay:
    """Decides which signals the command still has to be sent, so that it gets each once.

    sbtrace is two processes in the command's process group: the one in front, whose pid
    people know, and the supervisor. A signal to the group reached the command already, and
    shows in both; one to the process in front shows there alone; so does one to the
    supervisor, which is only certain after a moment.
    """

    def __init__(self, *, in_front: bool) -> None:
        """``in_front``: whether there is a process in front; else every signal is passed on."""
        self._in_front = in_front
        self._own: dict[int, float] = {}

    def take(self, own: Iterable[int], front: Iterable[int], now: float) -> Taken:
        """Return what is certain now, of what processes sent to the two.

        ``now`` is in seconds of ``time.monotonic``.
        """
        numbers = list(own)
        if not self._in_front:
            return Taken(numbers, numbers)
        self._own.update(dict.fromkeys(numbers, now))
        heard = list(front)
        send = [number for number in heard if self._own.pop(number, None) is None]
        late = [n for n, since in self._own.items() if now - since >= _WAIT_FOR_GROUP_S]
        for number in late:
            del self._own[number]
        return Taken(send + late, heard + late)

    @property
    def wait_s(self) -> float | None:
        """Seconds until ``take`` should be asked again; None if nothing is undecided."""
        if not self._own:
            return None
        return max(0.0, min(self._own.values()) + _WAIT_FOR_GROUP_S - time.monotonic())
