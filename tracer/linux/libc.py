"""The C library, and its errno as an exception.

PyDLL, not CDLL: the interpreter's lock is not let go around a call, so that between the
filter and execve no futex call can come from Python itself.
"""

from __future__ import annotations

import ctypes
import os

libc = ctypes.PyDLL(None, use_errno=True)


def checked(result: int) -> int:
    """Return what a call gave back. Raises OSError by errno where that is negative."""
    if result < 0:
        raise last_error()
    return result


def last_error(what: str = "") -> OSError:
    """Return the errno of the last call as an exception; ``what`` comes before its words."""
    code = ctypes.get_errno()
    return error_of(code, what)


def error_of(code: int, what: str = "") -> OSError:
    """Return an errno as an exception; ``what`` comes before its words."""
    words = os.strerror(code)
    return OSError(code, f"{what}: {words}" if what else words)


def syscall(number: int, *arguments: object) -> int:
    """syscall(2): integers go as longs, None as NULL. Raises OSError."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(libc.syscall(ctypes.c_long(number), *words))
