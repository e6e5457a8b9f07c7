"""The few system interfaces that Python does not wrap, by ctypes.

PyDLL, not CDLL: the interpreter's lock is not let go around a call, so that between the
filter and execve no futex call can come from Python itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from contextlib import suppress

from tracer import syscalls

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
_PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
_CLOSE_RANGE_CLOEXEC = 4
_M_TRIM_THRESHOLD = -1
_SECCOMP_MODE_FILTER = 2
_INSTRUCTION_BYTES = 8
MOST_INSTRUCTIONS = 4096
"""Of a filter: BPF_MAXINSNS, linux/bpf_common.h."""
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.PyDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> int:
    """prctl(2). Raises OSError."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    result: int = _libc.prctl(option, *(ctypes.c_ulong(value) for value in padded))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def syscall(number: int, *arguments: object) -> int:
    """syscall(2): integers go as longs, None as NULL. Raises OSError."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def ptrace(request: int, pid: int, address: int, data: int) -> int:
    """ptrace(2). Raises OSError."""
    words = (ctypes.c_void_p(address), ctypes.c_void_p(data))
    _libc.ptrace.restype = ctypes.c_long
    result: int = _libc.ptrace(ctypes.c_long(request), ctypes.c_int(pid), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def unshare(flags: int) -> None:
    """unshare(2). Raises OSError."""
    if _libc.unshare(flags) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def setns(path: str, kind: int) -> None:
    """Enter the namespace that a file of /proc/PID/ns stands for: setns(2). Raises OSError."""
    space = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(space, kind) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(space)


def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    """mount(2). Raises OSError."""
    words = (source.encode(), os.fsencode(target), kind.encode())
    if _libc.mount(*words, ctypes.c_ulong(flags), options.encode()) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def set_name(name: bytes) -> None:
    """Set the name of the calling thread that ps and pkill know, 15 bytes. Raises OSError."""
    text = ctypes.create_string_buffer(name)
    prctl(PR_SET_NAME, ctypes.addressof(text))


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from ``first`` up close-on-exec: close_range(2). Raises OSError."""
    if _libc.close_range(ctypes.c_uint(first), ctypes.c_uint(2**32 - 1), _CLOSE_RANGE_CLOEXEC) < 0:
        code = ctypes.get_errno()
        if code not in {errno.EINVAL, errno.ENOSYS}:  # before Linux 5.11, and 5.9
            raise OSError(code, os.strerror(code))
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
    if _libc.capset(header, (ctypes.c_uint32 * 6)(*[low] * 3, *[high] * 3)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def raise_ambient(mask: int) -> None:
    """Have execve leave ``mask`` to a program of an ordinary user too. Raises OSError."""
    for capability in range(mask.bit_length()):
        if mask >> capability & 1:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def keep_heap() -> None:
    """Let free(3) give nothing back to the kernel any more: no brk call after the filter."""
    _libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


class _Program(ctypes.Structure):
    """struct sock_fprog, linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class PreparedFilter:
    """A seccomp filter to be put on the calling thread by a single system call."""

    def __init__(self, program: bytes, secret_at: tuple[int, ...] = ()) -> None:
        """``program``: an array of struct sock_filter, of MOST_INSTRUCTIONS at most.

        ``secret_at``: the instructions that compare with the words of the launcher's secret.
        """
        self.length = len(program) // _INSTRUCTION_BYTES
        """In instructions."""
        self._secret_at = secret_at
        self._code = ctypes.create_string_buffer(program, len(program) or 1)
        code = ctypes.cast(self._code, ctypes.c_char_p)
        self._program = _Program(min(self.length, MOST_INSTRUCTIONS), code)
        words = (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(self._program), 0, 0)
        self._arguments = [ctypes.c_ulong(word) for word in words]
        self._prctl = _libc.prctl

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
        if self._prctl(*self._arguments) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


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
        self._execve = _libc.execve
        self._arguments = [self._file, self._argv, self._environment]
        if secret:
            self._execve = _libc.syscall
            number = syscalls.number(syscalls.native_abi(), "execve")
            words = [ctypes.c_ulong(word) for word in (0, *secret)]
            self._arguments = [ctypes.c_long(number or 0), *self._arguments, *words]

    def __call__(self) -> int:
        """Return only if execve(2) failed: its errno."""
        self._execve(*self._arguments)
        return ctypes.get_errno()
