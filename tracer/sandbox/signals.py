"""What sbtrace's caller had set for signals, so that the target finds it as the caller left it."""

from __future__ import annotations

import signal
from typing import NamedTuple

CHANGED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Ignored by the interpreter from its start on, whatever they were: the target gets the
default, as every program that Python's subprocess starts."""


class SignalState(NamedTuple):
    """The caller's signal mask and what it ignored; nohup(1) is the common case."""

    mask: frozenset[int]
    ignores_sigchld: bool

    def restore(self) -> None:
        """Give the calling process, which is about to exec, what sbtrace's caller had.

        A signal that is pending and no longer blocked is delivered here.
        """
        for number in CHANGED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's handler, not the caller's
        if self.ignores_sigchld:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


def hold(numbers: frozenset[int]) -> SignalState:
    """Block ``numbers`` and return what was before.

    SIGCHLD gets its default action: of children that a process ignores the kernel keeps no
    account to be waited for.
    """
    before = frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, numbers))
    ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return SignalState(frozenset(int(number) for number in before), ignored)
