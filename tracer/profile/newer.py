"""Which calls are newer than a profile: numbers that no kernel up to a version has a name for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer import syscalls

if TYPE_CHECKING:
    from collections.abc import Collection

Version = tuple[int, int]
OLDEST: Version = (5, 1)
"""Before it, calls had other numbers on each ABI."""
# Up to which number every ABI has the calls of a kernel, from 5.1 on: the tables of
# arch/*/entry/syscalls and scripts/syscall.tbl, release by release.
_LAST: dict[Version, int] = {
    (5, 1): 427,
    (5, 2): 433,
    (5, 3): 435,
    (5, 6): 438,
    (5, 8): 439,
    (5, 9): 439,
    (5, 10): 440,
    (5, 11): 441,
    (5, 12): 442,
    (5, 13): 446,
    (5, 14): 447,
    (5, 15): 448,
    (5, 16): 449,
    (5, 17): 450,
    (6, 5): 451,
    (6, 6): 453,
    (6, 7): 456,
    (6, 8): 461,
    (6, 10): 462,
    (6, 13): 466,
    (6, 15): 467,
    (6, 17): 469,
    (6, 19): 470,
    (7, 0): 471,
}
# Those that came later than others with higher numbers.
_LATE: dict[str, Version] = {
    "close_range": (5, 9),
    "quotactl_fd": (5, 14),
    "uretprobe": (6, 11),
    "uprobe": (6, 18),
}
NEWEST: Version = max(_LAST)


def version(text: str) -> Version | None:
    """``(6, 12)`` for ``6.12``; None for what is no version from OLDEST to NEWEST."""
    match = re.fullmatch(r"([1-9]\d?)\.(0|1?\d)(?:\.\d{1,4})?", text)
    found = (int(match[1]), int(match[2])) if match else (0, 0)
    return found if OLDEST <= found <= NEWEST else None


def is_newer(abi: str, nr: int, known: Version) -> bool:
    """Whether no kernel up to that version has a call of this number on the ABI.

    -1 is never newer: a tracer writes it to have a call skipped.
    """
    nr &= 0xFFFF_FFFF
    if nr == 0xFFFF_FFFF:
        return False
    name = syscalls.name(abi, nr)
    if name.startswith("syscall_"):
        return True
    plain = nr - syscalls.X32_BIT if abi == "x32" else nr
    if known < _LATE.get(name, OLDEST):
        return True
    # x32's calls of its own end at 547, arm's begin at 0xf0000: both are older.
    return _last(known) < plain < 512


def _last(known: Version) -> int:
    return max(last for since, last in _LAST.items() if since <= known)


def ranges(abi: str, known: Version, covered: Collection[int]) -> list[tuple[int, int]]:
    """The newer numbers that are not covered, as ranges: the first and the last number of each."""
    first = syscalls.X32_BIT if abi == "x32" else 0
    last = syscalls.X32_BIT - 1 if abi == "x86_64" else 0xFFFF_FFFE
    named = (syscalls.number(abi, name) or 0 for name in syscalls.names(abi))
    kept = {nr for nr in named if not is_newer(abi, nr, known)} | set(covered)
    found, begin = [], first
    for nr in sorted(nr for nr in kept if first <= nr <= last):
        if begin < nr:
            found.append((begin, nr - 1))
        begin = nr + 1
    return [*found, (begin, last)] if begin <= last else found
