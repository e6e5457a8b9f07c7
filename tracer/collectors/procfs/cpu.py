"""CPU shares from differences of CPU time, for each process and for the whole target."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

_CLOCK_MONOTONIC_COARSE = 6  # linux/time.h; its resolution is the kernel's tick
TICK_NS = int(time.clock_getres(_CLOCK_MONOTONIC_COARSE) * 1_000_000_000)


class When(NamedTuple):
    """Two instants between which CPU times were read: ns since the start of the run."""

    since_ns: int
    until_ns: int


class CpuMeter:
    """Turns CPU times into percent, 100 = one core.

    A reading takes time, and its figures may be those of its beginning or of its end. For a task
    that runs on another CPU they may be those of that CPU's last tick (kernel/sched/cputime.c:
    thread_group_cputime). So a span goes from a tick before one reading to the end of another.
    That is never too short, and one thread never has more than 100 %.

    The time of living processes is known to the nanosecond, but that of descendants they
    have waited for in clock ticks (10 ms) only. A share over much less than an interval would
    be noise: such a span is joined to the next one, and the run's last to the one before. So
    the spans are the whole run.
    """

    def __init__(self, interval_ns: int, lag_ns: int = TICK_NS) -> None:
        """``lag_ns``: so much of what was used may be missing from a reading."""
        self._lag_ns = lag_ns
        self._shortest_span_ns = max(interval_ns * 9 // 10, 1)
        self._most_percent = 100.0 * (os.cpu_count() or 1)
        self._reaped_ns = 0
        self._base: tuple[int, int] = (0, 0)
        self._before: tuple[int, int] | None = None
        """Where the span before the one that goes on began: its reading's first instant."""
        self._processes: dict[int, tuple[int, int, int]] = {}
        self._peak: float | None = None

    def begin(self, used_ns: int) -> None:
        """The run begins at instant 0, with so much CPU on the command's account already."""
        self._base, self._before = (0, used_ns), None

    def tick(self, when: When, alive_ns: int) -> None:
        """Take the CPU time of all living processes, with that of those they waited for."""
        total_ns = alive_ns + self._reaped_ns
        percent = self._span_percent(self._base, when.until_ns, total_ns)
        if percent is not None:
            self._peak = max(percent, self._peak or 0.0)
            self._base, self._before = (self._as_of(when), total_ns), self._base

    def add_reaped(self, pid: int, cpu_ns: int) -> None:
        """Take the whole account of a process that sbtrace reaped."""
        self._reaped_ns += cpu_ns
        self.forget(pid)

    def peak(self, end_ns: int | None) -> float | None:
        """The most CPU of the whole target in one span; None if there was no whole span.

        ``end_ns``: when the last process was reaped, so that the last span counts too; in
        mid-run it adds nothing, for what still lives is not in it.
        """
        last = None
        if end_ns is not None:
            last = self._span_percent(self._base, end_ns, self._reaped_ns)
            if last is None and self._before is not None:
                last = self._span_percent(self._before, end_ns, self._reaped_ns)
        known = [value for value in (self._peak, last) if value is not None]
        return max(known, default=None)

    def process_percent(
        self, pid: int, start_ticks: int, cpu_ns: int | None, when: When
    ) -> float | None:
        """CPU of one process since it was last asked about; None the first time.

        ``start_ticks`` tells it from an earlier one of the same pid.
        """
        if cpu_ns is None:
            return None
        start, then_ns, before_ns = self._processes.get(pid, (-1, 0, 0))
        if start != start_ticks:
            self._processes[pid] = (start_ticks, self._as_of(when), cpu_ns)
            return None
        span_ns = when.until_ns - then_ns
        if span_ns < self._shortest_span_ns:
            return None
        self._processes[pid] = (start, self._as_of(when), cpu_ns)
        return self._percent(cpu_ns - before_ns, span_ns)

    def forget(self, pid: int) -> None:
        """Drop what is kept of a process that is gone."""
        self._processes.pop(pid, None)

    def _as_of(self, when: When) -> int:
        """The first instant that a reading may tell of."""
        return max(when.since_ns - self._lag_ns, 0)

    def _span_percent(self, since: tuple[int, int], now_ns: int, total_ns: int) -> float | None:
        """CPU of the whole target since an instant and its total; None if that was just now."""
        then_ns, before_ns = since
        if now_ns - then_ns < self._shortest_span_ns:
            return None
        return self._percent(total_ns - before_ns, now_ns - then_ns)

    def _percent(self, cpu_ns: int, span_ns: int) -> float:
        """Rounding to ticks may give a little less than nothing, or more than all cores."""
        return min(max(100.0 * cpu_ns / span_ns, 0.0), self._most_percent)
