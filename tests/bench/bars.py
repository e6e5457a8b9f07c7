"""The bars: what sbtrace promises of its cost, as ratios within one run of the bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import call_cost, growth, missing, start, workloads

if TYPE_CHECKING:
    from tests.bench.results import Results

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise and how it stands."""

    what: str
    limit: float
    value: float | None
    """None: not measured in this run."""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.limit else "NOT MET"


def bars(results: Results) -> list[Bar]:
    """Return every bar with its value in ``results``."""
    call, at, first = call_cost.PART, call_cost.TRACED, start.FIRST
    find = workloads.over_native(results, workloads.FIND, "sbtrace")
    return [
        Bar(
            "ns a call, over two empty raw tracepoints",
            1.45,
            _ratio(results, (call, at, "sbtrace"), (call, at, "floor")),
        ),
        Bar(
            "ns a call, over bpftrace count only",
            1.00,
            _ratio(results, (call, at, "sbtrace"), (call, at, "bpftrace")),
        ),
        Bar(
            "an untraced program's call, over the same floor",
            1.15,
            _ratio(results, (call, call_cost.BESIDE, "sbtrace"), (call, at, "floor")),
        ),
        Bar("find /usr less start-up, over native", 1.35, find.median if find else None),
        Bar(
            "start, warm, over perf trace -s",
            1.0,
            _ratio(results, (start.PART, start.WARM, "sbtrace"), (start.PART, start.WARM, "perf")),
        ),
        Bar(
            "start, first ever, over bpftrace",
            1.2,
            _ratio(results, (start.PART, first, "sbtrace"), (start.PART, start.WARM, "bpftrace")),
        ),
        Bar("peak memory, small run, MB", 130, _memory(results, start.WARM)),
        Bar("peak memory, first run ever, MB", 130, _memory(results, first)),
        Bar("CPU beside an idle target, % of one core", 1.0, _idle(results)),
        Bar("calls missing, all rounds", 0, _missing(results)),
    ]


def _ratio(
    results: Results, ours: tuple[str, str, str], theirs: tuple[str, str, str]
) -> float | None:
    one, other = results.get(*ours), results.get(*theirs)
    return one.over(other).median if one and other else None


def _memory(results: Results, what: str) -> float | None:
    figure = results.get(start.MEMORY, what, "sbtrace")
    return figure.median / MEGABYTE if figure else None


def _idle(results: Results) -> float | None:
    for what in results.subjects(growth.TIME):
        figure = results.get(growth.TIME, what, "sbtrace")
        if figure and what.endswith(growth.SHARE):
            return figure.median
    return None


def _missing(results: Results) -> float | None:
    found = [
        sum(map(abs, figure.values))
        for what in results.subjects(missing.PART)
        if (figure := results.get(missing.PART, what, "sbtrace"))
    ]
    return sum(found) if found else None
