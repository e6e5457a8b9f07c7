"""Signals as something to read: a signalfd(2), which Python does not wrap."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SFD_NONBLOCK, _SFD_CLOEXEC = 0o4000, 0o2000000
_INFO_BYTES = 128
_INFO = struct.Struct("=Iii")  # ssi_signo, ssi_errno, ssi_code of struct signalfd_siginfo

TO_FORWARD = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


@dataclass(frozen=True, slots=True)
class Received:
    """One signal that came to sbtrace."""

    number: int
    from_kernel: bool
    """True if the terminal sent it (Ctrl-C): then the target, in the same process group,
    got it as well. False if a process sent it to sbtrace alone."""


class SignalInbox:
    """Holds back the signals that matter to a run and gives them to whoever reads.

    Made after the launcher was forked: a blocked signal would stay blocked in the target.
    """

    def __init__(self) -> None:
        self._held = {signal.SIGCHLD, *TO_FORWARD}
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._held)
        mask = (ctypes.c_uint64 * 16)(sum(1 << (number - 1) for number in self._held))
        self.fd = ctypes.CDLL(None, use_errno=True).signalfd(-1, mask, _SFD_NONBLOCK | _SFD_CLOEXEC)
        if self.fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"signalfd: {os.strerror(code)}")

    def read(self) -> Iterator[Received]:
        """Yield what has come since the last time."""
        try:
            data = os.read(self.fd, 32 * _INFO_BYTES)
        except BlockingIOError:
            return
        for at in range(0, len(data), _INFO_BYTES):
            number, _errno, code = _INFO.unpack_from(data, at)
            yield Received(number, from_kernel=code > 0)

    def close(self) -> None:
        """Let signals act as before; one that came meanwhile is dropped, not acted on."""
        for _ in self.read():
            pass
        os.close(self.fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
