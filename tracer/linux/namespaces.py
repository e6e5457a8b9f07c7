"""Namespaces and mounts: unshare(2), setns(2), mount(2)."""

from __future__ import annotations

import ctypes
import os

from tracer.linux.libc import checked, libc


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    checked(libc.unshare(flags))


def setns(path: str, kind: int) -> None:
    """Enter the namespace that a file of /proc/PID/ns stands for: setns(2). Raises OSError."""
    space = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        checked(libc.setns(space, kind))
    finally:
        os.close(space)


def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    """mount(2). Raises OSError."""
    words = (source.encode(), os.fsencode(target), kind.encode())
    checked(libc.mount(*words, ctypes.c_ulong(flags), options.encode()))
