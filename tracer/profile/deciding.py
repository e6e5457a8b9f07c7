"""Calls whose danger is in an argument, and in which: what every run records of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ARGUMENTS: dict[str, tuple[int, ...]] = {
    "bpf": (0,),
    "clone": (0,),
    "fcntl": (1,),
    "fcntl64": (1,),
    "ioctl": (1,),
    "keyctl": (0,),
    "kill": (1,),
    "mmap": (2, 3),
    "mmap2": (2, 3),
    "mprotect": (2,),
    "personality": (0,),
    "prctl": (0,),
    "setsockopt": (1, 2),
    "socket": (0, 1, 2),
    "socketpair": (0, 1, 2),
    "unshare": (0,),
}
"""By name. i386's mmap is left out, as its arguments are in memory; mmap2's are not. The kernel
looks at the lower 32 bits of each."""
MEMORY = frozenset({("i386", "mmap"), ("arm", "mmap")})
"""(ABI, name) of those that a name here does not hold for."""

WHOLE = 0xFFFF_FFFF
_NAMESPACES = 0x7E020000
"""CLONE_NEW* of include/uapi/linux/sched.h, but CLONE_NEWTIME, which is no flag of clone."""
_WRITE_EXEC = 0x6
"""PROT_WRITE and PROT_EXEC: include/uapi/asm-generic/mman-common.h."""
_SOCKET_TYPE = 0xF
"""Without SOCK_CLOEXEC and SOCK_NONBLOCK: include/linux/net.h."""
BITS: dict[str, dict[int, int]] = {
    "clone": {0: _NAMESPACES},
    "mmap": {2: _WRITE_EXEC},
    "mmap2": {2: _WRITE_EXEC},
    "mprotect": {2: _WRITE_EXEC},
    "socket": {0: WHOLE, 1: _SOCKET_TYPE, 2: WHOLE},
    "socketpair": {0: WHOLE, 1: _SOCKET_TYPE, 2: WHOLE},
}
"""Arguments of which some bits alone are dangerous: those bits are recorded, the others are not."""

Way = tuple[str, str, tuple[int, ...]]
"""ABI, call, and of its arguments the bits that tell calls apart: a number for each argument of
``bits``, in their order."""


def bits(name: str, *, exact: bool) -> dict[int, int]:
    """Which bits of which arguments tell calls apart; ``exact``: all that are recorded."""
    whole = dict.fromkeys(ARGUMENTS[name], WHOLE)
    return whole if exact else BITS.get(name, whole)


def decisive(name: str, registers: Sequence[int]) -> tuple[int, ...]:
    """The bits that tell calls apart, of registers that are in the order of ARGUMENTS."""
    given = dict(zip(ARGUMENTS[name], registers, strict=True))
    return tuple(given[index] & mask for index, mask in bits(name, exact=False).items())
