"""The latencies of one syscall on two sides, as bars over each other and as quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import UsageError
from tracer.report import histogram, units
from tracer.report.form import PLAIN
from tracer.report.totals import syscall_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracer.analysis.compare import Comparison
    from tracer.query.sides import CallKey
    from tracer.report.form import Page

QUANTILES = (0.5, 0.9, 0.99)
_BAR_AT_LEAST = 10
_NOTE = "# both sides, - only A, + only B: shares of all calls that returned"


class Latencies(NamedTuple):
    """The latencies of one syscall on both sides."""

    found: Comparison
    keys: Sequence[CallKey]
    """The calls of its name, one for each ABI that has one."""

    @classmethod
    def of(cls, found: Comparison, syscall: str) -> Latencies:
        """Raises UsageError if neither side has such a call."""
        return cls(found, _keys(found, syscall))

    def data(self) -> Mapping[str, object]:
        """The buckets that hold calls of a side: from (inclusive), to (exclusive, null: no end)."""
        rows: list[Mapping[str, object]] = []
        for key in self.keys:
            for (low, high), a, b in zip(histogram.bounds(), *_pair(self.found, key), strict=True):
                if a or b:
                    row = {"from_ns": low, "to_ns": high, "calls_a": a, "calls_b": b}
                    rows.append({"syscall": key.name, "abi": key.abi, **row})
        return {"histogram": rows}

    def text(self, page: Page = PLAIN) -> str:
        """Both histograms over each other, one block for each ABI."""
        made = (_block(self.found, key, page.columns) for key in self.keys)
        blocks = ["".join(f"{line}\n" for line in block) for block in made]
        return "\n".join([*blocks, f"  {_NOTE}\n"])


def quantile_objects(found: Comparison, key: CallKey) -> list[Mapping[str, object]]:
    """For each quantile, the bounds of the bucket that it lies in; null: no call returned."""
    ours, theirs = _pair(found, key)
    return [
        {"quantile": part, "a": _bounds_object(ours, part), "b": _bounds_object(theirs, part)}
        for part in QUANTILES
    ]


def _keys(found: Comparison, syscall: str) -> list[CallKey]:
    keys = [each.key for each in found.calls if each.key.name == syscall]
    if not keys:
        raise UsageError(
            f"--histogram {syscall}: neither side has such a call: `sbtrace compare --all` lists"
            " those they have"
        )
    return keys


def _pair(found: Comparison, key: CallKey) -> tuple[Sequence[int], Sequence[int]]:
    none = (0,) * len(histogram.bounds())
    return found.a.histograms.get(key, none), found.b.histograms.get(key, none)


def _block(found: Comparison, key: CallKey, width: int) -> Iterator[str]:
    ours, theirs = _pair(found, key)
    label = syscall_label(key.abi, key.name, (each.key.abi for each in found.calls))
    yield f"{label}: {units.counted(sum(ours), 'call')} returned on A, {sum(theirs):,} on B"
    if not any(ours) and not any(theirs):
        return
    for part in QUANTILES:
        yield f"  p{part * 100:.0f}  A {_bounds_text(ours, part)}; B {_bounds_text(theirs, part)}"
    yield from _bars(ours, theirs, width)


def _bounds_of(buckets: Sequence[int], part: float) -> tuple[int, int | None] | None:
    """The bounds of the bucket that holds the call which ``part`` of all are not slower than."""
    wanted, below = part * sum(buckets), 0
    for each, calls in zip(histogram.bounds(), buckets, strict=True):
        below += calls
        if calls and below >= wanted:
            return each
    return None


def _bounds_object(buckets: Sequence[int], part: float) -> Mapping[str, object] | None:
    found = _bounds_of(buckets, part)
    return None if found is None else {"from_ns": found[0], "to_ns": found[1]}


def _bounds_text(buckets: Sequence[int], part: float) -> str:
    found = _bounds_of(buckets, part)
    return units.UNKNOWN if found is None else histogram.range_text(*found)


def _bars(ours: Sequence[int], theirs: Sequence[int], width: int) -> Iterator[str]:
    filled = [at for at, pair in enumerate(zip(ours, theirs, strict=True)) if any(pair)]
    shares = [_shares(buckets) for buckets in (ours, theirs)]
    most = max(map(max, shares))
    shown = range(filled[0], filled[-1] + 1)
    spans = {at: histogram.range_text(*histogram.bounds()[at]) for at in shown}
    span = max(map(len, spans.values()))
    room = max(width - span - 20, _BAR_AT_LEAST)
    for at in shown:
        a, b = shares[0][at], shares[1][at]
        bar = overlaid(*(histogram.bar_length(share, most, room) for share in (a, b)))
        yield f"  {spans[at]:>{span}}  {_share(a):>6}  {_share(b):>6}  {bar}".rstrip()


def _shares(buckets: Sequence[int]) -> list[float]:
    total = sum(buckets)
    return [calls / total if total else 0.0 for calls in buckets]


def _share(share: float) -> str:
    if not share:
        return "0"
    return f"{share * 100:.1f} %" if share >= 0.001 else "<0.1 %"


def overlaid(a: int, b: int) -> str:
    """Bars of two lengths over each other: ``#`` both, ``-`` only A, ``+`` only B."""
    return "#" * min(a, b) + "-" * (a - b) + "+" * (b - a)
