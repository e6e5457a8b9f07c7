"""What differs between two sides of recorded runs, and whether it is more than noise."""

from __future__ import annotations

import shlex
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tracer.analysis import ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tracer.query.sides import CallKey, CallSums, Measured, Side

ALPHA = 0.01
"""How often two sides of the same kind are said to differ, by one figure that varies."""


class Verdict(StrEnum):
    """What can be said of a figure on two sides."""

    SAME = "same"
    """It has one value, in every run of both sides."""
    DIFFERS = "differs"
    """By more than noise."""
    NOISE = "noise"
    """It varies, and the sides do not differ by more than that."""
    UNKNOWN = "cannot tell"
    """There are too few runs, or it was not measured."""


class Spread(NamedTuple):
    """One figure over the runs of a side."""

    runs: int
    """In how many it is known."""
    median: float
    low: float
    """Smallest value."""
    high: float
    """Largest value."""


class Compared(NamedTuple):
    """One figure on two sides."""

    a: Spread | None
    """None: it is known of no run."""
    b: Spread | None
    shift: ranks.Shift | None
    """From A to B; None: it is unknown on a side."""
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        """The shift as a part of A's median; None: not known, or that median is 0."""
        if self.a is None or self.shift is None or not self.a.median:
            return None
        return self.shift.estimate / self.a.median


class CallCompared(NamedTuple):
    """One syscall on two sides. Counts are those of one run."""

    key: CallKey
    calls: Compared
    errors: Compared
    blocked: Compared
    latency_ns: Compared
    """The mean of a run is one value; runs in which no call returned have none."""
    in_a: int
    """In how many of the counted runs it was made, or refused by a filter."""
    in_b: int


class ErrorCompared(NamedTuple):
    """One errno of one syscall on two sides."""

    key: CallKey
    errno_name: str
    failed: Compared
    in_a: int
    in_b: int


class Comparison(NamedTuple):
    """Two sides, figure by figure."""

    a: Side
    b: Side
    figures: Mapping[str, Compared]
    """By column of ``runs``."""
    calls: tuple[CallCompared, ...]
    """Most calls first, in whichever side has more."""
    errors: tuple[ErrorCompared, ...]

    @property
    def tested(self) -> int:
        """How many figures were held against their noise."""
        judged = {Verdict.NOISE, Verdict.DIFFERS}
        every = [*self.figures.values()]
        for call in self.calls:
            every += [call.calls, call.errors, call.blocked, call.latency_ns]
        every += [error.failed for error in self.errors]
        return sum(each.verdict in judged and not _is_constant(each) for each in every)


COUNTS = ("total_syscalls", "error_syscalls", "blocked_syscalls", "read_syscalls", "write_syscalls")
"""The figures that are a count of what the program did, so that equal runs have equal ones."""


def compare(a: Side, b: Side) -> Comparison:
    """Hold every figure of side B against side A."""
    figures = {
        name: judge(_figure(a, name), _figure(b, name), counted=name in COUNTS)
        for name in a.runs[0].figures
    }
    return Comparison(a, b, figures, tuple(_calls(a, b)), tuple(_errors(a, b)))


def judge(a: Iterable[float | None], b: Iterable[float | None], *, counted: bool) -> Compared:
    """Compare one figure, given by run.

    ``counted``: what has one value in every run of a side was not found so by chance. Two runs a
    side are then enough; a time needs five.
    """
    first = [value for value in a if value is not None]
    second = [value for value in b if value is not None]
    if not first or not second:
        return Compared(spread(first), spread(second), None, Verdict.UNKNOWN)
    moved = ranks.shift(first, second, ALPHA)
    verdict = _verdict(first, second, counted)
    return Compared(spread(first), spread(second), moved, verdict)


def _verdict(a: Sequence[float], b: Sequence[float], counted: bool) -> Verdict:
    few = min(len(a), len(b)) < 2 or ranks.least_p(len(a), len(b)) > ALPHA
    if min(len(a), len(b)) >= 2 and len({*a}) == len({*b}) == 1 and (counted or not few):
        return Verdict.SAME if a[0] == b[0] else Verdict.DIFFERS
    if few:
        return Verdict.UNKNOWN
    return Verdict.DIFFERS if ranks.p_value(a, b) <= ALPHA else Verdict.NOISE


def _is_constant(each: Compared) -> bool:
    return all(side is not None and side.low == side.high for side in (each.a, each.b))


def spread(values: Sequence[float]) -> Spread | None:
    """The median and the ends of some values; None without any."""
    if not values:
        return None
    return Spread(len(values), median(values), min(values), max(values))


def _figure(side: Side, name: str) -> list[float | None]:
    return [run.figures[name] for run in side.runs]


def _calls(a: Side, b: Side) -> Iterable[CallCompared]:
    found = [_call(a, b, key) for key in {**a.calls, **b.calls}]
    return sorted(found, key=lambda each: (-_most(each.calls), each.key.name, each.key.abi))


def _most(each: Compared) -> float:
    return max(side.median if side else 0 for side in (each.a, each.b))


def _call(a: Side, b: Side, key: CallKey) -> CallCompared:
    ours, theirs = a.calls.get(key, {}), b.calls.get(key, {})

    def counts(value: Callable[[CallSums], int]) -> Compared:
        return judge(_by_run(a, ours, value), _by_run(b, theirs, value), counted=True)

    def means(made: Mapping[str, CallSums]) -> list[float | None]:
        return [sums.mean_ns for sums in made.values()]

    return CallCompared(
        key,
        counts(lambda sums: sums.calls),
        counts(lambda sums: sums.errors),
        counts(lambda sums: sums.blocked),
        judge(means(ours), means(theirs), counted=False),
        len(ours),
        len(theirs),
    )


def _by_run(
    side: Side, made: Mapping[str, CallSums], value: Callable[[CallSums], int]
) -> list[float]:
    """One value for each counted run: a run that did not make the call made it 0 times."""
    return [value(made[run.run_id]) if run.run_id in made else 0 for run in side.counted]


def _errors(a: Side, b: Side) -> Iterable[ErrorCompared]:
    for key, errno_name in sorted({**a.failed, **b.failed}):
        ours, theirs = (side.failed.get((key, errno_name), {}) for side in (a, b))
        failed = judge(
            [ours.get(run.run_id, 0) for run in a.counted],
            [theirs.get(run.run_id, 0) for run in b.counted],
            counted=True,
        )
        yield ErrorCompared(key, errno_name, failed, len(ours), len(theirs))


def settings(side: Side) -> Mapping[str, tuple[str, ...]]:
    """What may explain a difference: by name, every value that the side's runs have, as text."""
    found: dict[str, dict[str, None]] = {}
    for run in side.runs:
        for name, value in settings_of(run).items():
            found.setdefault(name, {})[value] = None
    return {name: tuple(values) for name, values in found.items()}


def settings_of(run: Measured) -> Mapping[str, str]:
    """What one run was made with, and how it ended: by name, as text."""
    about = run.about
    shown = {
        "command": shlex.join(about["argv"]),
        "executable": about["executable"],
        "host": about["host"],
        "kernel": about["kernel"],
        "sbtrace": about["version"],
        "profile": f"{about['profile']} ({about['profile_digest'][:12]})",
        "user": str(about["target_uid"]),
        "outcome": about["outcome"],
    }
    return shown | {f"tag {key}": value for key, value in about["tags"].items()}
