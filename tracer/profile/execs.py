"""The numbers by which a program can execute another one."""

from __future__ import annotations

from tracer import syscalls

CALLS = ("execve", "execveat")
_NUMBERS = {
    # Before 5.4 the numbers of x32 (520, 545) were served without its bit as well.
    "x86_64": frozenset({59, 322, 520, 545}),
    "x32": frozenset({59, 322, 520, 545}),
    "i386": frozenset({11, 358}),
    "arm64": frozenset({221, 281}),
    "arm": frozenset({11, 387}),
}


def numbers(abi: str) -> tuple[int, ...]:
    """Each number of execve and execveat on an ABI, whether its kernel serves it or did once."""
    bit = syscalls.X32_BIT if abi == "x32" else 0
    return tuple(sorted(nr | bit for nr in _NUMBERS[abi]))
