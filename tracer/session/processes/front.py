"""The process in front of a run: the one that the caller started and waits for."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from tracer import linux
from tracer.errors import EXIT_FAILED, SandboxError
from tracer.session.processes.children import children, end_children, hold_list
from tracer.session.signals import FORWARDED, HELD

_FRONT_HELD = HELD | {signal.SIGCONT}
PID_BYTES = 4
"""The size of what the guard tells: the supervisor's pid, or a negative errno."""


class Front:
    """The process that the caller knows, over the other two."""

    def __init__(self, guard: int, told: int, order: int, relay: int) -> None:
        self._guard = guard
        self._told, self._order, self._relay = told, order, relay
        self._supervisor = 0
        self._ends: dict[int, int] = {}
        """Wait statuses of the guard, and of a supervisor that lost its guard."""

    def hand_over(self, order: bytes) -> NoReturn:
        """Let the supervisor do what is ordered; pass signals on until all is over, and exit
        as it did. Raises SandboxError if there is no supervisor."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _FRONT_HELD)
        hold_list()
        self._learn_supervisor()
        try:
            with suppress(BrokenPipeError), os.fdopen(self._order, "wb") as pipe:
                pipe.write(order)
            leave_streams(0, 1)
            while not self._over():
                self._pass_on(signal.sigwaitinfo(_FRONT_HELD))
            self._exit()
        finally:
            os._exit(EXIT_FAILED)

    def dismiss(self) -> None:
        """End the two others, which have begun nothing yet."""
        with suppress(SandboxError, ChildProcessError):  # there may be none of the two
            self._learn_supervisor()
            os.kill(self._supervisor, signal.SIGKILL)
        end_children()

    def _learn_supervisor(self) -> None:
        answer = int.from_bytes(os.read(self._told, PID_BYTES), sys.byteorder, signed=True)
        if answer <= 0:
            os.waitpid(self._guard, 0)
            raise cannot_split(linux.error_of(-answer))
        self._supervisor = answer

    def _pass_on(self, info: signal.struct_siginfo) -> None:
        sent = info.si_signo in FORWARDED and info.si_code <= 0
        if sent or info.si_signo == signal.SIGCONT:
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._relay, bytes([info.si_signo]))

    def _over(self) -> bool:
        """Reap; say whether everything below is gone."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid in (self._guard, self._supervisor):
                    self._ends[pid] = status
        except ChildProcessError:
            return True
        # A supervisor that lost its guard is a child of ours now, and ends the target itself.
        if self._guard in self._ends and self._supervisor not in children():
            end_children()
            return True
        return False

    def _exit(self) -> NoReturn:
        status = self._ends.get(self._supervisor, self._ends.get(self._guard))
        if status is not None and os.WIFEXITED(status):
            os._exit(os.WEXITSTATUS(status))
        with suppress(OSError):
            os.write(
                2,
                b"sbtrace: its supervisor was killed: the command was ended with it; what was "
                b"recorded until then is in `sbtrace runs`\n",
            )
        os._exit(EXIT_FAILED)


def cannot_split(error: OSError) -> SandboxError:
    """Say why there are no other two."""
    return SandboxError(
        f"cannot fork, or open a pipe: {error.strerror}: raise the limit on processes or "
        "open files (ulimit -u, ulimit -n)"
    )


def leave_streams(*numbers: int) -> None:
    """Let go of standard streams, so that a pipe ends when the target closes it."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in numbers:
        os.dup2(null, number)
    os.close(null)
