"""Figures of several rounds, and what one process used, as the kernel accounts for it."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TIMEOUT_S = 900
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, measured once a round. In tables: the median, and the quartiles."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The middle half of the rounds lies between these two."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _middle, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def over(self, other: Figure) -> Figure:
        """Divide round by round: what slowed a whole round down cancels out."""
        return Figure(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def minus(self, other: Figure) -> Figure:
        """Subtract round by round."""
        return Figure(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True, slots=True)
class Used:
    """One command from start to end."""

    wall_ns: int
    cpu_ns: int
    """User and system time of it and of all children that it waited for."""
    max_rss_bytes: int
    """Largest resident set of it, or of one of these children."""
    exit_status: int


def run(command: Sequence[str], cwd: Path | None = None, stdout: Path | None = None) -> Used:
    """Run ``command`` to its end; its output goes to ``stdout``, or nowhere."""
    with open(stdout or os.devnull, "wb") as output:
        start = time.monotonic_ns()
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall_ns = time.monotonic_ns() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_ns = int((usage.ru_utime + usage.ru_stime) * NS)
    return Used(wall_ns, cpu_ns, usage.ru_maxrss * 1024, process.returncode)
