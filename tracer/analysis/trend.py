"""Where the figures of a command changed over its history, and what differed there.

A change is a place at which the values before and after it are told apart by their ranks: the
largest standardised Mann-Whitney statistic over all places (Pettitt, "A non-parametric approach to
the change-point problem", 1979). Its chance is that of the same values in another order: by 999
shuffled orders, drawn from a fixed seed, so that the same runs give the same answer; beyond 200
runs by the formula of Miller and Siegmund ("Maximally selected chi square statistics", 1982).
Either side of a change is then looked at in the same way.
"""

from __future__ import annotations

from itertools import accumulate, groupby, pairwise
from math import exp, log, pi, sqrt
from operator import mul
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tracer.analysis import ranks
from tracer.analysis.compare import ALPHA, COUNTS, settings_of, spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.analysis.compare import Spread
    from tracer.query.history import History
    from tracer.query.sides import CallSums, Measured

CALL_FIGURES = ("calls", "errors", "blocked", "latency_ns")
"""What is told of one syscall; ``latency_ns`` is the mean of a run."""
_LEAST = 3
"""Values that there must be on either side of a change in a figure that varies."""
_SHUFFLES = 999
_SHUFFLED_UP_TO = 200


class Change(NamedTuple):
    """A figure that has another level from one run on."""

    at: int
    """The first run of the new level, by its place in the history."""
    before: Spread
    """Since the change before it, or the first run."""
    after: Spread
    """Until the next change, or the last run."""
    shift: ranks.Shift

    @property
    def ratio(self) -> float | None:
        """The shift as a part of the median before; None where that is 0."""
        return self.shift.estimate / self.before.median if self.before.median else None


class Trend(NamedTuple):
    """One figure over the history."""

    values: tuple[float | None, ...]
    """One for each run; None: not known."""
    changes: tuple[Change, ...]
    is_new: bool
    """Whether the last run has another value than all before, which have one value. One run is
    too few for a change."""

    @property
    def varies(self) -> bool:
        """Whether it has several values on one level, so that chance may make a change of it.

        A figure of few runs has no change by chance.
        """
        if sum(value is not None for value in self.values) < 2 * _LEAST:
            return False
        starts = [0, *(change.at for change in self.changes), len(self.values)]
        levels = (self.values[low:high] for low, high in pairwise(starts))
        return any(len({*level} - {None}) > 1 for level in levels)


class Setting(NamedTuple):
    """What differs between two runs that follow each other."""

    name: str
    before: str | None
    """None: it had none, as a tag may."""
    after: str | None


class Place(NamedTuple):
    """A run from which on something has another level."""

    at: int
    changes: Mapping[str, Change]
    """By figure."""
    settings: tuple[Setting, ...]


class Trends(NamedTuple):
    """A command's history, figure by figure."""

    history: History
    figures: Mapping[str, Trend]
    places: tuple[Place, ...]
    """The oldest first."""

    @property
    def tested(self) -> int:
        """How many figures were held against their noise."""
        return sum(trend.varies for trend in self.figures.values())


def trends(history: History) -> Trends:
    """Every figure of the history; those of one syscall where the history has them."""
    figures = {
        name: trend([run.figures[name] for run in history.runs], counted=name in COUNTS)
        for name in history.runs[0].figures
    }
    if history.calls:
        figures = {
            name: trend([_of_call(sums, name) for sums in history.calls], counted=name != _LATENCY)
            for name in CALL_FIGURES
        }
    return Trends(history, figures, tuple(_places(history.runs, figures)))


_LATENCY = "latency_ns"


def _of_call(sums: CallSums | None, name: str) -> float | None:
    if sums is None:
        return None
    return sums.mean_ns if name == _LATENCY else float(getattr(sums, name))


def trend(values: Sequence[float | None], *, counted: bool) -> Trend:
    """Find the changes of one figure, given by run.

    ``counted``: it is a count, which equal runs have equal; then two runs of a level are enough.
    """
    places = [at for at, value in enumerate(values) if value is not None]
    known = [value for value in values if value is not None]
    starts = change_points(known, counted=counted)
    ends = [0, *starts, len(known)]
    changes = [
        Change(places[start], *_levels(known[before:start], known[start:after]))
        for before, start, after in zip(ends, starts, ends[2:], strict=False)
    ]
    return Trend(tuple(values), tuple(changes), counted and _last_is_new(known))


def _levels(before: Sequence[float], after: Sequence[float]) -> tuple[Spread, Spread, ranks.Shift]:
    first, second = spread(before), spread(after)
    assert first is not None  # noqa: S101 - no level is empty
    assert second is not None  # noqa: S101
    return first, second, ranks.shift(before, after, ALPHA)


def _last_is_new(values: Sequence[float]) -> bool:
    return len(values) > 2 and len({*values[:-1]}) == 1 and values[-1] != values[0]


def change_points(values: Sequence[float], *, counted: bool) -> list[int]:
    """Where a new level begins, in order: places in ``values``."""
    found: list[int] = []
    waiting = [(0, len(values))]
    while waiting:
        low, high = waiting.pop()
        at = _change(values[low:high], counted)
        if at is not None:
            found.append(low + at)
            waiting += [(low, low + at), (low + at, high)]
    return sorted(found)


def _change(values: Sequence[float], counted: bool) -> int | None:
    if counted and (starts := _steps(values)):
        return starts[0]
    if len(values) < 2 * _LEAST or len({*values}) == 1:
        return None
    doubled = ranks.doubled_ranks(values)
    centred = [rank - len(values) - 1 for rank in doubled]
    weights = _weights(len(values))
    seen = _statistics(centred, weights)
    peak = max(seen)
    chance = _by_shuffles if len(values) <= _SHUFFLED_UP_TO else _by_formula
    return seen.index(peak) + _LEAST if chance(centred, weights, peak) <= ALPHA else None


def _steps(values: Sequence[float]) -> list[int]:
    """Where the levels begin, if each is held by two runs or more and none comes again."""
    levels = [(value, len(list(same))) for value, same in groupby(values)]
    if len({value for value, _ in levels}) < len(levels) or any(n < 2 for _, n in levels):
        return []
    return list(accumulate(length for _, length in levels))[:-1]


def _weights(number: int) -> list[float]:
    places = range(_LEAST, number - _LEAST + 1)
    return [1 / sqrt(at * (number - at)) for at in places]


def _statistics(centred: Sequence[int], weights: Sequence[float]) -> list[float]:
    """How far the ranks before each place are from what they are on average."""
    sums = list(accumulate(centred))[_LEAST - 1 : len(centred) - _LEAST]
    return list(map(mul, map(abs, sums), weights))


def _by_shuffles(centred: Sequence[int], weights: Sequence[float], peak: float) -> float:
    """The part of all orders that have such a place; at least, once it is above ``ALPHA``."""
    draw, order, beyond = Random(0), list(centred), 0  # noqa: S311 - no secret
    enough = ALPHA * (_SHUFFLES + 1)
    for _ in range(_SHUFFLES):
        draw.shuffle(order)
        beyond += max(_statistics(order, weights)) >= peak - 1e-9
        if beyond >= enough:
            break
    return (beyond + 1) / (_SHUFFLES + 1)


def _by_formula(centred: Sequence[int], _weights: Sequence[float], peak: float) -> float:
    number = len(centred)
    variance = sum(rank * rank for rank in centred) / (number * (number - 1))
    height = peak / sqrt(variance)
    density = exp(-height * height / 2) / sqrt(2 * pi)
    width = 2 * log((number - _LEAST) / _LEAST)
    return min(4 * density / height + density * (height - 1 / height) * width, 1.0)


def _places(runs: Sequence[Measured], figures: Mapping[str, Trend]) -> list[Place]:
    found: dict[int, dict[str, Change]] = {}
    for name, one in figures.items():
        for change in one.changes:
            found.setdefault(change.at, {})[name] = change
    return [Place(at, found[at], differing(runs[at - 1], runs[at])) for at in sorted(found)]


def differing(before: Measured, after: Measured) -> tuple[Setting, ...]:
    """What two runs were made with that is not the same, and how they ended."""
    a, b = settings_of(before), settings_of(after)
    names = dict.fromkeys([*a, *b])
    return tuple(
        Setting(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)
    )
