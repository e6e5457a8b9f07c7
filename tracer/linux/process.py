"""What the calling process or thread is: prctl(2), capabilities, descriptors, its heap."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress

from tracer.linux.libc import checked, last_error, libc

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
_CLOSE_RANGE_CLOEXEC = 4
_M_TRIM_THRESHOLD = -1
_CAPABILITY_VERSION_3 = 0x20080522


def prctl(option: int, *arguments: int) -> int:
    """prctl(2). Raises OSError."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return checked(libc.prctl(option, *(ctypes.c_ulong(value) for value in padded)))


def ptrace(request: int, pid: int, address: int, data: int) -> int:
    """ptrace(2). Raises OSError."""
    words = (ctypes.c_void_p(address), ctypes.c_void_p(data))
    libc.ptrace.restype = ctypes.c_long
    return checked(libc.ptrace(ctypes.c_long(request), ctypes.c_int(pid), *words))


def set_name(name: bytes) -> None:
    """Set the name of the calling thread that ps and pkill know, 15 bytes. Raises OSError."""
    text = ctypes.create_string_buffer(name)
    prctl(PR_SET_NAME, ctypes.addressof(text))


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from ``first`` up close-on-exec: close_range(2). Raises OSError."""
    if libc.close_range(ctypes.c_uint(first), ctypes.c_uint(2**32 - 1), _CLOSE_RANGE_CLOEXEC) < 0:
        error = last_error()
        if error.errno not in {errno.EINVAL, errno.ENOSYS}:  # before Linux 5.11, and 5.9
            raise error
        _close_each_on_exec_from(first)


def _close_each_on_exec_from(first: int) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - one module less in a target to be
        if int(name) >= first:
            with suppress(OSError):  # that of the folder itself is closed by now
                os.set_inheritable(int(name), False)


def limit_bounding_set(kept: int) -> None:
    """Leave no more than ``kept`` in the bounding set, and nothing in the ambient set.

    Without CAP_SETPCAP (an ordinary user) it stays: there is nothing that it could bound,
    as no_new_privs keeps execve from granting any.
    """
    capability = 0
    while True:
        try:
            if prctl(PR_CAPBSET_READ, capability) and not kept >> capability & 1:
                prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # EINVAL: beyond the kernel's last capability; EPERM: no CAP_SETPCAP
        capability += 1
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def set_capabilities(mask: int) -> None:
    """Make it the permitted, effective and inheritable set: capset(2). Raises OSError."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    checked(libc.capset(header, (ctypes.c_uint32 * 6)(*[low] * 3, *[high] * 3)))


def raise_ambient(mask: int) -> None:
    """Have execve leave ``mask`` to a program of an ordinary user too. Raises OSError."""
    for capability in range(mask.bit_length()):
        if mask >> capability & 1:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def keep_heap() -> None:
    """Let free(3) give nothing back to the kernel any more: no brk call after the filter."""
    libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
