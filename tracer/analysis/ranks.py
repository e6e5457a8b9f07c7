"""Whether two samples differ, told by their ranks.

The Mann-Whitney test and the shift of Hodges and Lehmann (Hollander, Wolfe and Chicken,
"Nonparametric Statistical Methods", chapter 4). They assume no shape of the distribution, which
times do not have, and draw nothing at random, so that the same runs give the same answer.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import comb, floor, sqrt
from statistics import NormalDist, median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXACT_UP_TO = 50
"""Values of both samples together; beyond, the normal distribution is near enough."""
_MOST_VALUES = 100
"""The most values that ``shift`` takes of a sample: its cost is the product of both sizes."""
_NORMAL = NormalDist()


class Shift(NamedTuple):
    """By how much the second sample lies above the first one."""

    estimate: float
    """Median of all differences between a value of each."""
    low: float | None
    """The lower end of the confidence interval; None: there are too few values for one."""
    high: float | None


def least_p(first: int, second: int) -> float:
    """The smallest p that samples of so many values can have: that of samples far apart."""
    return 2 / comb(first + second, first)


def p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """How often samples of one and the same distribution differ at least as much; 0 to 1.

    Two-sided. Equal values have the mean of their ranks. Neither sample may be empty.
    """
    ranks = doubled_ranks([*first, *second])
    total, taken = len(ranks), len(first)
    centre = taken * (total + 1)
    seen = abs(sum(ranks[:taken]) - centre)
    if total <= _EXACT_UP_TO:
        sums = _rank_sums(tuple(sorted(ranks)), taken)
        extreme = sum(ways for at, ways in enumerate(sums) if abs(at - centre) >= seen)
        return extreme / comb(total, taken)
    return _normal_p(ranks, taken, seen)


def _normal_p(ranks: Sequence[int], taken: int, seen: int) -> float:
    total = len(ranks)
    tied = sum(n**3 - n for n in Counter(ranks).values()) / (total * (total - 1))
    variance = (
        taken * (total - taken) / 3 * (total + 1 - tied)
    )  # the variance of twice the sum of ranks
    if variance <= 0:
        return 1.0
    return min(2 * (1 - _NORMAL.cdf((seen - 1) / sqrt(variance))), 1.0)


def doubled_ranks(values: Sequence[float]) -> list[int]:
    """The rank of each value, times two, so that the mean of equal ones is a whole number."""
    first: dict[float, int] = {}
    for at, value in enumerate(sorted(values), start=1):
        first.setdefault(value, at)
    counts = Counter(values)
    return [2 * first[value] + counts[value] - 1 for value in values]


@lru_cache(maxsize=256)
def _rank_sums(ranks: tuple[int, ...], taken: int) -> tuple[int, ...]:
    """In how many ways ``taken`` of the ranks add up to 0, 1, 2…

    A polynomial for each number of ranks, held in one integer: its digits are the ways.
    """
    bits = comb(len(ranks), taken).bit_length()
    ways = [1] + [0] * taken
    for rank in ranks:
        for chosen in range(taken, 0, -1):
            ways[chosen] += ways[chosen - 1] << (bits * rank)
    digit = (1 << bits) - 1
    return tuple((ways[taken] >> (bits * at)) & digit for at in range(sum(ranks) + 1))


def shift(first: Sequence[float], second: Sequence[float], alpha: float) -> Shift:
    """The shift from ``first`` to ``second``, with an interval that misses it at ``alpha``.

    A sample of more than 100 values is thinned out: 100 are taken at even distances, by size. The
    interval is then a little too wide, never too narrow.
    """
    a, b = _thinned(first), _thinned(second)
    differences = sorted(y - x for x in a for y in b)
    bound = _bound(len(a), len(b), alpha)
    if bound == 0:
        return Shift(median(differences), None, None)
    return Shift(median(differences), differences[bound - 1], differences[-bound])


def _thinned(values: Sequence[float]) -> list[float]:
    ranked = sorted(values)
    if len(ranked) <= _MOST_VALUES:
        return ranked
    last = len(ranked) - 1
    return [ranked[round(at * last / (_MOST_VALUES - 1))] for at in range(_MOST_VALUES)]


@lru_cache(maxsize=256)
def _bound(first: int, second: int, alpha: float) -> int:
    """How many differences to leave out at either end, plus one; 0: there is no interval."""
    total = first + second
    if total > _EXACT_UP_TO:
        spread = sqrt(first * second * (total + 1) / 12)
        return max(floor(first * second / 2 + _NORMAL.inv_cdf(alpha / 2) * spread), 0)
    sums = _rank_sums(tuple(range(1, total + 1)), first)
    lowest, below, bound = first * (first + 1) // 2, 0, 0
    for ways in sums[lowest:]:
        below += ways
        if below > alpha / 2 * comb(total, first):
            break
        bound += 1
    return bound
