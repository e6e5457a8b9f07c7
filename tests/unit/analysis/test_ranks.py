"""The test by ranks, held against counting every way to deal the values out."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import sqrt
from statistics import NormalDist, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.analysis import ranks

VALUES = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def dealt(first: list[int], second: list[int]) -> float:
    """The share of all ways to deal the values out that lie at least as far from the middle."""
    values = [*first, *second]

    def wins(taken: list[int], left: list[int]) -> float:
        return sum((x > y) + (x == y) / 2 for x in taken for y in left)

    middle = len(first) * len(second) / 2
    seen = abs(wins(first, second) - middle)
    places = range(len(values))
    ways = list(combinations(places, len(first)))
    far = 0
    for way in ways:
        left = [values[at] for at in places if at not in way]
        far += abs(wins([values[at] for at in way], left) - middle) >= seen
    return far / len(ways)


@given(VALUES, VALUES)
def test_p_is_the_share_of_all_ways_to_deal_the_values_out(a: list[int], b: list[int]) -> None:
    assert ranks.p_value(a, b) == pytest.approx(dealt(a, b))
    assert ranks.p_value(b, a) == pytest.approx(dealt(a, b))


@given(st.integers(1, 12), st.integers(1, 12))
def test_samples_far_apart_have_the_least_p_there_is(a: int, b: int) -> None:
    apart = ranks.p_value(range(a), range(100, 100 + b))
    assert apart == pytest.approx(min(ranks.least_p(a, b), 1.0))


@pytest.mark.parametrize("shifted", [0, 3, 7, 9, 20])
@pytest.mark.parametrize("step", [1, 2, 5])  # 5: many equal values
def test_many_values_take_the_normal_distribution_which_is_near(
    shifted: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = [value // step * step for value in range(0, 50, 2)]
    b = [(value + shifted) // step * step for value in range(0, 50, 2)]
    exact = ranks.p_value(a, b)
    monkeypatch.setattr(ranks, "_EXACT_UP_TO", 0)
    assert ranks.p_value(a, b) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("shifted", [4, 8, 12])
def test_the_normal_distribution_has_the_spread_of_the_ranks(
    shifted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 120 values, counted out for once: an error in the spread of 1 in 100 is seen."""
    a = [value * 7919 % 1009 // 8 for value in range(60)]
    b = [value * 6007 % 1009 // 8 + shifted for value in range(60)]
    near = ranks.p_value(a, b)
    monkeypatch.setattr(ranks, "_EXACT_UP_TO", 120)
    assert near == pytest.approx(ranks.p_value(a, b), abs=0.002)


def test_the_interval_of_many_values_is_little_wider_than_the_exact_one_and_never_narrower(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exact = [ranks._bound.__wrapped__(size, size, 0.01) for size in (10, 20, 25)]
    monkeypatch.setattr(ranks, "_EXACT_UP_TO", 0)
    near = [ranks._bound.__wrapped__(size, size, 0.01) for size in (10, 20, 25)]
    assert [0 <= one - other <= 3 for one, other in zip(exact, near, strict=True)] == [True] * 3


def test_many_equal_values_differ_in_nothing() -> None:
    assert ranks.p_value([7] * 60, [7] * 60) == 1


# Hollander, Wolfe, Chicken, table A.6; U at 1 %, two-sided: 0 at 5 and 5, 16 at 10 and 10.
@pytest.mark.parametrize(("size", "left_out"), [(4, None), (5, 0), (10, 16)])
def test_the_interval_leaves_out_what_the_published_table_says(
    size: int, left_out: int | None
) -> None:
    a, b = list(range(size)), [value * 10 + 5 for value in range(size)]
    differences = sorted(y - x for x in a for y in b)
    found = ranks.shift(a, b, 0.01)
    assert found.estimate == median(differences)
    if left_out is None:
        assert (found.low, found.high) == (None, None)
    else:
        assert (found.low, found.high) == (differences[left_out], differences[-1 - left_out])


def test_a_shift_of_many_values_is_found_and_its_interval_holds_it() -> None:
    a = [value * 7919 % 1009 for value in range(3000)]
    found = ranks.shift(a, [value + 40 for value in a], 0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 40 < found.high
    assert found.estimate == pytest.approx(40, abs=2)
    assert found.high - found.low < 400


@pytest.mark.parametrize("shares", [(1, 1, 1), (10, 1, 1), (1, 30, 2)])
def test_many_equal_values_narrow_the_normal_distribution_as_the_textbook_says(
    shares: tuple[int, int, int],
) -> None:
    """U by pairs, its variance with the correction for ties, and half a step of continuity."""
    first = [0] * 20 * shares[0] + [1] * 10 * shares[1] + [2] * 5 * shares[2]
    second = [0] * 12 * shares[0] + [1] * 14 * shares[1] + [2] * 9 * shares[2]
    n, m = len(first), len(second)
    u = sum((x > y) + (x == y) / 2 for x in first for y in second)
    ties = sum(t**3 - t for t in Counter([*first, *second]).values())
    spread = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
    expected = 2 * (1 - NormalDist().cdf((abs(u - n * m / 2) - 0.5) / sqrt(spread)))
    assert ranks.p_value(first, second) == pytest.approx(expected, rel=1e-9)
