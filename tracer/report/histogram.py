"""The latency of one syscall as bars, one for each power of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import UsageError
from tracer.model import HISTOGRAM_BUCKETS, HISTOGRAM_FIRST_SHIFT
from tracer.report import totals, units
from tracer.report.form import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.model import RunRecord
    from tracer.report.form import Page
    from tracer.report.totals import Total

_BAR_AT_LEAST = 10


class Histogram(NamedTuple):
    """The latencies of one syscall in a run."""

    totals: Sequence[tuple[str, Total]]
    """A label and the figures for each ABI that has a call of this name."""

    @classmethod
    def of(cls, record: RunRecord, syscall: str) -> Histogram:
        """Raises UsageError if the run has no such call."""
        return cls(_found(record, syscall))

    def data(self) -> Mapping[str, object]:
        """The buckets that hold calls: from (inclusive), to (exclusive, null: no end), calls."""
        rows = [
            {"syscall": label, "from_ns": low, "to_ns": high, "calls": calls}
            for label, total in self.totals
            for (low, high), calls in zip(bounds(), total.histogram, strict=True)
            if calls
        ]
        return {"histogram": rows}

    def text(self, page: Page = PLAIN) -> str:
        """Bars of the calls that returned, one block for each ABI."""
        return "\n".join(
            f"{label}: {units.counted(total.returned, 'call')} returned,"
            f" mean {units.duration(total.mean_ns)}, min {units.duration(total.min_ns)},"
            f" max {units.duration(total.max_ns)}\n{_bars(total, page.columns)}"
            for label, total in self.totals
        )


def _found(record: RunRecord, syscall: str) -> list[tuple[str, Total]]:
    sums = totals.by_syscall(record.syscalls)
    abis = [abi for abi, _, _ in sums]
    found = [
        (totals.syscall_label(abi, name, abis), total)
        for (abi, _, name), total in sums.items()
        if name == syscall
    ]
    if not found:
        run = record.run
        if run.trace == "none":
            why = run.trace_missing or "not asked for (--trace none)"
            raise UsageError(f"--histogram: no syscalls are known of run {run.run_id}: {why}")
        raise UsageError(
            f"--histogram {syscall}: run {run.run_id} has no such call:"
            f" `sbtrace show {run.run_id}` lists those it has"
        )
    return found


def bounds() -> list[tuple[int, int | None]]:
    """Lowest latency of each bucket, and that of the next one; see ``SyscallStat.histogram``."""
    lows = [0, *(1 << (HISTOGRAM_FIRST_SHIFT + i) for i in range(HISTOGRAM_BUCKETS - 1))]
    return list(zip(lows, [*lows[1:], None], strict=True))


def _bars(total: Total, width: int) -> str:
    filled = [i for i, calls in enumerate(total.histogram) if calls]
    if not filled:
        return "  no call returned\n"
    most = max(total.histogram)
    rows = [
        (range_text(*bounds()[i]), units.count(total.histogram[i]), total.histogram[i])
        for i in range(filled[0], filled[-1] + 1)
    ]
    span = max(len(text) for text, _, _ in rows)
    digits = max(len(text) for _, text, _ in rows)
    room = max(width - span - digits - 6, _BAR_AT_LEAST)
    return "".join(
        f"  {text:>{span}}  {number:>{digits}}  {'#' * bar_length(calls, most, room)}".rstrip()
        + "\n"
        for text, number, calls in rows
    )


def bar_length(part: float, most: float, room: int) -> int:
    """At least one mark for any call at all: a rare slow call must be seen."""
    return max(round(part * room / most), 1 if part else 0)


def range_text(low: int, high: int | None) -> str:
    """``1.02 us to 2.05 us``; ``8.59 s and more`` for the last bucket."""
    if high is None:
        return f"{units.duration(low)} and more"
    return f"{units.duration(low)} to {units.duration(high)}"
