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
        self.peak_percent: float | None = None
        """The most CPU of the whole target between two samples; None with fewer than two."""

    def tick(self, now_ns: int, alive_ns: int) -> None:
        """Take the CPU time of all living processes, with that of those they waited for."""
        self._advance(now_ns, alive_ns + self._reaped_ns)

    def add_reaped(self, pid: int, cpu_ns: int) -> None:
        """Take the whole account of a process that sbtrace reaped."""
        self._reaped_ns += cpu_ns
        self.forget(pid)

    def finish(self, now_ns: int) -> None:
        """Close the last span: by now every process of the target is reaped."""
        self._advance(now_ns, self._reaped_ns)

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

    def _advance(self, now_ns: int, total_ns: int) -> None:
        if self._base is None:
            self._base = (now_ns, total_ns)
            return
        span_ns = now_ns - self._base[0]
        if span_ns < self._shortest_span_ns:
            return
        percent = self._percent(total_ns - self._base[1], span_ns)
        self.peak_percent = max(percent, self.peak_percent or 0.0)
        self._base = (now_ns, total_ns)

    def _percent(self, cpu_ns: int, span_ns: int) -> float:
        """Rounding to ticks may give a little less than nothing, or more than all cores."""
        return min(max(100.0 * cpu_ns / span_ns, 0.0), self._most_percent)
