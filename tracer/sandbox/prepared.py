"""The last two steps of the launcher, laid out beforehand: the filter, and execve.

Calling them allocates nothing and makes one system call each.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.linux.libc import last_error, libc

if TYPE_CHECKING:
    from tracer.profile import Profile

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_INSTRUCTION_BYTES = 8


class _Program(ctypes.Structure):
    """struct sock_fprog, linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class PreparedFilter:
    """A seccomp filter to be put on the calling thread by a single system call."""

    def __init__(self, program: bytes, secret_at: tuple[int, ...] = ()) -> None:
        """``program``: an array of struct sock_filter, no longer than the kernel takes.

        ``secret_at``: the instructions that compare with the words of the launcher's secret.
        """
        self.length = len(program) // _INSTRUCTION_BYTES
        """In instructions."""
        self._secret_at = secret_at
        self._code = ctypes.create_string_buffer(program, len(program) or 1)
        code = ctypes.cast(self._code, ctypes.c_char_p)
        self._program = _Program(self.length, code)
        words = (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(self._program), 0, 0)
        self._arguments = [ctypes.c_ulong(word) for word in words]
        self._prctl = libc.prctl

    def secret(self) -> tuple[int, ...]:
        """Draw the last two arguments of the one execve that is let through; none otherwise.

        To be called in the launcher: it alone knows them then, and its memory goes with execve.
        """
        if not self._secret_at:
            return ()
        whole = ctypes.sizeof(ctypes.c_ulong) == 8
        words = struct.unpack("=IIII", os.getrandom(16))
        words = tuple(word if whole or at % 2 == 0 else 0 for at, word in enumerate(words))
        for at, word in zip(self._secret_at, words, strict=True):
            struct.pack_into("=I", self._code, _INSTRUCTION_BYTES * at + 4, word)
        return words[0] | words[1] << 32, words[2] | words[3] << 32

    def __call__(self) -> None:
        """Load it: prctl(2). Raises OSError."""
        # No further call of Python's: its frame might need memory, and so a call that is refused.
        if self._prctl(*self._arguments) < 0:
            raise last_error()


class PreparedExec:
    """An execve whose arguments are laid out beforehand, so that calling it allocates nothing."""

    def __init__(
        self,
        file: str,
        argv: list[bytes],
        environment: dict[bytes, bytes],
        secret: tuple[int, ...] = (),
    ) -> None:
        """``secret``: what the fifth and sixth registers hold, which the kernel ignores."""
        self._file = ctypes.c_char_p(os.fsencode(file))
        self._argv = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)
        pairs = [name + b"=" + value for name, value in environment.items()]
        self._environment = (ctypes.c_char_p * (len(pairs) + 1))(*pairs, None)
        self._execve = libc.execve
        self._arguments = [self._file, self._argv, self._environment]
        if secret:
            self._execve = libc.syscall
            number = syscalls.number(syscalls.native_abi(), "execve")
            words = [ctypes.c_ulong(word) for word in (0, *secret)]
            self._arguments = [ctypes.c_long(number or 0), *self._arguments, *words]

    def __call__(self) -> int:
        """Return only if execve(2) failed: its errno."""
        self._execve(*self._arguments)
        return ctypes.get_errno()


def of_profile(profile: Profile) -> PreparedFilter | None:
    """The filter of a profile, compiled; None if it restricts nothing.

    Call it where a mistake can still be told; the child only loads it. libseccomp would generate
    the program in the child, in whose accounts that would stay: 1.2 ms and 145 page faults under
    STRICT. Raises ProfileError and SandboxError as ``filter.compile`` does.
    """
    if not profile.restricts:
        return None
    from tracer.sandbox import filter as filters

    compiled = filters.compile(profile)
    return PreparedFilter(compiled.code(), compiled.secret_at)


def require_execve(profile: Profile) -> None:
    """Raise ProfileError if the filter would refuse the launcher's last step."""
    if profile.any_abi or profile.exec_once or "execve" in profile.conditional:
        return
    abi = profile.abis[0]
    number = syscalls.number(abi, "execve")
    if number is None:
        return
    action = profile.decide(abi, number).action
    if not action.permits:
        raise ProfileError(
            f"{profile.path}: execve is refused ({action}), so no command could start under it: "
            'add "execve" to allow'
        )
