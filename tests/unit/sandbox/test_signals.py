"""What the caller had set for signals is kept while sbtrace works, and given to the target."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tracer.sandbox.signals import SignalState, hold

if TYPE_CHECKING:
    from collections.abc import Callable

TERM, USR1, CHLD = int(signal.SIGTERM), int(signal.SIGUSR1), int(signal.SIGCHLD)


def in_child(holds: Callable[[], bool]) -> bool:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if holds() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


def blocked() -> set[int]:
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}


def test_what_is_held_is_blocked_and_what_was_before_is_told() -> None:
    def holds() -> bool:
        signal.pthread_sigmask(signal.SIG_SETMASK, {USR1})
        state = hold(frozenset({TERM}))
        return state == SignalState(frozenset({USR1}), ignores_sigchld=False) and blocked() == {
            USR1,
            TERM,
        }

    assert in_child(holds)


def test_sigchld_is_not_ignored_while_sbtrace_waits_for_children() -> None:
    def holds() -> bool:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        state = hold(frozenset())
        return state.ignores_sigchld and signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL

    assert in_child(holds)


def test_the_target_gets_what_the_caller_had() -> None:
    def holds() -> bool:
        SignalState(frozenset({USR1}), ignores_sigchld=True).restore()
        found = [signal.getsignal(n) for n in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT)]
        return (
            blocked() == {USR1}
            and found == [signal.SIG_DFL] * 3
            and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
        )

    assert in_child(holds)


def test_an_interrupt_that_the_caller_ignored_stays_ignored() -> None:
    def holds() -> bool:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        SignalState(frozenset(), ignores_sigchld=False).restore()
        return signal.getsignal(signal.SIGINT) == signal.SIG_IGN and (
            signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
        )

    assert in_child(holds)
