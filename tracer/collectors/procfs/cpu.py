"""CPU shares from differences of CPU time, for each process and for the whole target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from tracer.collectors.procfs.files import Stat


class CpuMeter:
    """Turns CPU times into percent, 100 = one core.

    /proc gives CPU time in clock ticks (10 ms), so a share over 100 ms comes in steps of
    10 %, and one over much less would be noise: such spans are joined to the next.
    """

    def __init__(self, interval_ns: int) -> None:
        self._shortest_span_ns = max(interval_ns // 2, 1)
        self._most_percent = 100.0 * (psutil.cpu_count() or 1)
        self._reaped_ns = 0
        self._base: tuple[int, int] | None = None
        self._processes: dict[int, tuple[int, int, int]] = {}
        self._peak: float | None = None

    def tick(self, now_ns: int, alive_ns: int) -> None:
        """Take the CPU time of all living processes, with that of those they waited for."""
        total_ns = alive_ns + self._reaped_ns
        percent = self._span_percent(now_ns, total_ns)
        if percent is not None:
            self._peak = max(percent, self._peak or 0.0)
        if self._base is None or percent is not None:
            self._base = (now_ns, total_ns)

    def add_reaped(self, pid: int, cpu_ns: int) -> None:
        """Take the whole account of a process that sbtrace reaped."""
        self._reaped_ns += cpu_ns
        self.forget(pid)

    def peak(self, end_ns: int | None) -> float | None:
        """The most CPU of the whole target in one span; None if there was no whole span.

        ``end_ns``: when the last process was reaped, so that the last span counts too; in
        mid-run it adds nothing, for what still lives is not in it.
        """
        last = None if end_ns is None else self._span_percent(end_ns, self._reaped_ns)
        known = [value for value in (self._peak, last) if value is not None]
        return max(known, default=None)

    def process_percent(self, pid: int, stat: Stat, now_ns: int) -> float | None:
        """CPU of one process since it was last asked about; None the first time."""
        cpu_ns = stat.user_ns + stat.system_ns
        start, then_ns, before_ns = self._processes.get(pid, (-1, 0, 0))
        if start != stat.start_ticks:
            self._processes[pid] = (stat.start_ticks, now_ns, cpu_ns)
            return None
        span_ns = now_ns - then_ns
        if span_ns < self._shortest_span_ns:
            return None
        self._processes[pid] = (start, now_ns, cpu_ns)
        return self._percent(cpu_ns - before_ns, span_ns)

    def forget(self, pid: int) -> None:
        """Drop what is kept of a process that is gone."""
        self._processes.pop(pid, None)

    def _span_percent(self, now_ns: int, total_ns: int) -> float | None:
        """CPU of the whole target since the last span's end; None if that was just now."""
        if self._base is None or now_ns - self._base[0] < self._shortest_span_ns:
            return None
        return self._percent(total_ns - self._base[1], now_ns - self._base[0])

    def _percent(self, cpu_ns: int, span_ns: int) -> float:
        """Rounding to ticks may give a little less than nothing, or more than all cores."""
        return min(max(100.0 * cpu_ns / span_ns, 0.0), self._most_percent)
