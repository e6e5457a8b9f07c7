"""The identity that one thread touches files with: setfsuid(2), setfsgid(2).

These calls report no error: they return the value before. No id is -1, so -1 changes nothing and
asks for the current value.
"""

from __future__ import annotations

import ctypes

from tracer.linux.libc import libc

_NO_ID = 2**32 - 1


def set_fsuid(uid: int) -> int:
    """setfsuid(2) for the calling thread. Returns the id before."""
    return int(libc.setfsuid(ctypes.c_uint(uid))) & _NO_ID


def set_fsgid(gid: int) -> int:
    """setfsgid(2) for the calling thread. Returns the id before."""
    return int(libc.setfsgid(ctypes.c_uint(gid))) & _NO_ID


def fsuid() -> int:
    """Return the calling thread's id."""
    return set_fsuid(_NO_ID)
