"""The kernel's own clock, and the one that sbtrace reads: two in a time namespace."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_OFFSETS = Path("/proc/self/timens_offsets")


def ahead_ns() -> int:
    """Return by how much CLOCK_MONOTONIC of this process is ahead of what eBPF has: ns, or 0.

    See time_namespaces(7). A kernel without such namespaces has no such file.
    """
    with suppress(OSError):
        for line in _OFFSETS.read_text().splitlines():
            clock, seconds, nanoseconds = line.split()
            if clock == "monotonic":
                return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0
