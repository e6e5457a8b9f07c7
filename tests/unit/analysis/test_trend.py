"""Where a figure changed: levels that are told apart, and noise that is no change."""

from __future__ import annotations

from random import Random

import pytest

from tests.unit.analysis.sides import ABOUT, a_run, made
from tracer.analysis.trend import change_points, trend, trends
from tracer.query.history import History


def noisy(levels: list[tuple[float, int]], seed: int, spread: float = 0.1) -> list[float]:
    draw = Random(seed)  # noqa: S311 - no secret
    return [level * draw.lognormvariate(0, spread) for level, n in levels for _ in range(n)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([100, 100, 110, 110], [2]),
        ([100] * 3 + [110] * 2 + [90] * 4, [3, 5]),
        ([100, 100, 110], []),
        ([100, 100, 101, 101, 100, 100], []),
        ([100, 101, 100, 101], []),
        ([100] * 9, []),
        ([5], []),
        ([], []),
    ],
)
def test_levels_of_a_count_are_told_by_two_runs_each_if_none_comes_again(
    values: list[float], found: list[int]
) -> None:
    assert change_points(values, counted=True) == found


def test_what_varies_is_no_level_by_two_equal_values() -> None:
    assert change_points([100, 100, 110, 110], counted=False) == []


@pytest.mark.parametrize("runs", [20, 100, 250])
def test_a_level_that_differs_by_more_than_noise_begins_where_it_does(runs: int) -> None:
    """By shuffles up to 200 runs, by the formula beyond."""
    values = noisy([(1, runs // 2), (2, runs - runs // 2)], seed=runs)
    assert change_points(values, counted=False) == [runs // 2]


def test_several_changes_are_found_in_their_order() -> None:
    values = noisy([(1, 20), (2, 20), (1.2, 20)], seed=3, spread=0.03)
    assert change_points(values, counted=False) == [20, 40]


@pytest.mark.parametrize("runs", [12, 60, 300])
def test_noise_shows_a_change_as_seldom_as_is_said(runs: int) -> None:
    """1 % each: of 200 series more than 8 would come once in 4,000 times, and the seeds stand."""
    wrong = sum(bool(change_points(noisy([(1, runs)], seed), counted=False)) for seed in range(200))
    assert wrong <= 8


def test_the_same_runs_give_the_same_answer() -> None:
    values = noisy([(1, 12), (1.15, 12)], seed=4)
    assert len({tuple(change_points(values, counted=False)) for _ in range(5)}) == 1


def test_equal_values_and_unknown_ones_take_their_part() -> None:
    values = [None, *[1.0, 1.0, 2.0] * 6, None, *[5.0, 5.0, 6.0] * 6, None]
    found = trend(values, counted=False)
    (change,) = found.changes
    assert change.at == 20
    assert (change.before.runs, change.before.median) == (18, 1)
    assert (change.after.runs, change.after.median) == (18, 5)
    assert change.ratio == 4


def test_the_last_run_alone_is_new_and_no_change() -> None:
    found = trend([7, 7, 7, 8], counted=True)
    assert (found.changes, found.is_new) == ((), True)
    assert not trend([7, 8, 7, 8], counted=True).is_new
    assert not trend([7, 7, 7, 8], counted=False).is_new
    assert not trend([7, 8], counted=True).is_new


def test_a_change_comes_with_what_differed_there() -> None:
    other = {**ABOUT, "executable": "/srv/new", "tags": {"build": "42"}}
    runs = [a_run(at, total_syscalls=10) for at in range(4)]
    runs += [a_run(at, total_syscalls=12)._replace(about=other) for at in range(4, 7)]
    found = trends(History("server", tuple(runs), (), ()))
    (place,) = found.places
    assert (place.at, list(place.changes)) == (4, ["total_syscalls"])
    assert [tuple(each) for each in place.settings] == [
        ("executable", "/srv/server", "/srv/new"),
        ("tag build", None, "42"),
    ]
    assert found.tested == 0
    assert trend([1, 2, 1, 2, 1, 2], counted=False).varies
    assert not trend([1, 2, 1, 2, 1, None], counted=False).varies
    assert not trend([1] * 6 + [2] * 6, counted=True).varies


def test_the_figures_of_one_syscall_are_those_of_the_runs_that_were_counted() -> None:
    runs = tuple(a_run(at, counted=at > 0) for at in range(5))
    calls = (None, made(3), made(3), made(5), made(5))
    found = trends(History("server", runs, calls, ()))
    assert list(found.figures) == ["calls", "errors", "blocked", "latency_ns"]
    assert found.figures["calls"].values == (None, 3, 3, 5, 5)
    assert [place.at for place in found.places] == [3]
    assert found.figures["latency_ns"].values == (None, 100, 100, 100, 100)
