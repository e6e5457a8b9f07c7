"""Cancels a run that is still being prepared, when a signal asks for that."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from tracer.errors import NotStarted
from tracer.session.signals import ENDING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from tracer.session.processes.guard import Guard


@contextmanager
def cancellable(guard: Guard) -> Iterator[None]:
    """Let NotStarted be raised, wherever the block is, by a signal that wants sbtrace to end.

    That is one to this process, or one to the front, which comes by the pipe from there; and
    the death of the front, which ends that pipe. Both make SIGIO: fcntl(2), O_ASYNC. Whatever
    reads a file of the user's (a profile, ``-o``) may wait for ever, on a FIFO for example.
    Afterwards these signals are blocked again, and wait for the session.
    """

    def own(number: int, _frame: FrameType | None) -> NoReturn:
        raise NotStarted(number)

    def of_front(_number: int, _frame: FrameType | None) -> None:
        for number in guard.relayed():
            if number in ENDING:
                raise NotStarted(number)
        if guard.broken:
            raise NotStarted(signal.SIGKILL)

    heard = {number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN}
    before = {number: signal.signal(number, own) for number in heard}
    before[signal.SIGIO] = signal.signal(signal.SIGIO, of_front)
    flags = fcntl.fcntl(guard.relay_fd, fcntl.F_GETFL)
    fcntl.fcntl(guard.relay_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(guard.relay_fd, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heard - guard.signals.mask)
        of_front(signal.SIGIO, None)  # what came before
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, heard)
        fcntl.fcntl(guard.relay_fd, fcntl.F_SETFL, flags)
        for number, handler in before.items():
            signal.signal(number, handler)
