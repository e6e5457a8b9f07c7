"""What of the events at which the kernel skipped a program is not recorded. Pure.

A task may be preempted in a program (since Linux 7.0); meanwhile the kernel skips that program for
all others on that CPU, ours and everybody else's, and counts a miss. On such kernels rare events
have a second program, so nothing is missing of one unless both were skipped. A call has two ends:
what was skipped at one is made good at the other, so it is lost only if both were. On older
kernels nothing is made good, and nothing was ever seen to be skipped: each miss counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.collectors.kernel.program.variant import AGAIN, RARE

if TYPE_CHECKING:
    from collections.abc import Mapping


def unrecorded(
    misses: Mapping[str, int], *, starts: int, results: int, doubtful: int, filtered: bool
) -> int:
    """Return how many events of the target may be missing, at the most.

    ``misses``: by program, of the whole machine. ``starts`` and ``results``: calls whose
    entry or exit was skipped, and which were made good. ``doubtful``: what was taken for a
    blocked call, and may be a call whose entry was skipped. ``filtered``: calls may be blocked,
    which then have an exit alone.
    """
    if not any(name + AGAIN in misses for name in RARE):
        return sum(misses.values())
    entries = max(0, misses.get("sys_enter", 0) - starts)
    exits = max(0, misses.get("sys_exit", 0) - results)
    rare = sum(_both(misses, name) for name in RARE)
    named = {"sys_enter", "sys_exit", *RARE, *(name + AGAIN for name in RARE)}
    others = sum(count for name, count in misses.items() if name not in named)
    calls = exits if filtered else min(entries, exits)
    return calls + min(entries, doubtful) + rare + others


def _both(misses: Mapping[str, int], name: str) -> int:
    return min(misses.get(name, 0), misses.get(name + AGAIN, 0))
