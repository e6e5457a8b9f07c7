"""signalfd(2), which Python does not wrap."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from tracer.linux.libc import last_error, libc

if TYPE_CHECKING:
    from collections.abc import Iterable

_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000


def signalfd(numbers: Iterable[int]) -> int:
    """Return a descriptor to read these signals from, which must be blocked. Raises OSError.

    It does not block, and is closed at execve.
    """
    mask = (ctypes.c_uint64 * 16)(sum(1 << (number - 1) for number in numbers))
    descriptor = int(libc.signalfd(-1, mask, _NONBLOCK | _CLOEXEC))
    if descriptor < 0:
        raise last_error("signalfd")
    return descriptor
