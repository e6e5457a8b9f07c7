"""What is said to differ, what to be noise, and what cannot be told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.analysis.sides import ABOUT, OPEN, READ, a_run, a_side, made, several
from tracer.analysis import demands
from tracer.analysis.compare import Comparison, Verdict, compare, judge, settings
from tracer.errors import UsageError
from tracer.query.sides import CallKey, Side


def read(found: Comparison) -> Any:
    return next(each for each in found.calls if each.key == READ)


@pytest.mark.parametrize(
    ("a", "b", "counted", "timed"),
    [
        ([5, 5], [5, 5], "same", "cannot tell"),
        ([5, 5], [6, 6], "differs", "cannot tell"),
        ([5], [6], "cannot tell", "cannot tell"),
        ([5, 5, 5, 5, 5], [6], "cannot tell", "cannot tell"),
        ([5, 6], [6, 7], "cannot tell", "cannot tell"),
        ([1, 2, 3, 4], [5, 6, 7, 8], "cannot tell", "cannot tell"),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], "differs", "differs"),
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 9], "noise", "noise"),
        ([1, 2, 3, 4, 6], [5, 6, 7, 8, 9], "noise", "noise"),
        ([5, 5, 5, 5, 5], [5, 5, 5, 5, 6], "noise", "noise"),
        ([5] * 5, [5] * 5, "same", "same"),
        ([5] * 5, [6] * 5, "differs", "differs"),
        ([None, None], [5, 5], "cannot tell", "cannot tell"),
        ([5, None, 5], [6, 6, None], "differs", "cannot tell"),
    ],
)
def test_the_verdict_on_one_figure(
    a: list[int | None], b: list[int | None], counted: str, timed: str
) -> None:
    assert judge(a, b, counted=True).verdict.value == counted
    assert judge(a, b, counted=False).verdict.value == timed


def test_a_figure_that_is_not_known_is_none_and_not_zero() -> None:
    found = judge([None], [3, 4], counted=True)
    assert found.a is None
    assert found.b is not None
    assert (found.b.runs, found.b.median, found.b.low, found.b.high) == (2, 3.5, 3, 4)
    assert found.shift is None
    assert found.ratio is None


def test_the_ratio_is_of_a_and_none_where_a_is_zero() -> None:
    assert judge([10, 10], [12, 12], counted=True).ratio == pytest.approx(0.2)
    assert judge([0, 0], [12, 12], counted=True).ratio is None


def test_a_run_without_a_call_made_it_zero_times_and_has_no_latency_of_it() -> None:
    found = read(compare(several(0, [made(3), None]), several(10, [made(3), made(3)])))
    assert (found.in_a, found.in_b) == (1, 2)
    assert (found.calls.a.low, found.calls.a.high) == (0, 3)
    assert found.latency_ns.a.runs == 1


def test_runs_that_were_not_counted_tell_nothing_of_calls() -> None:
    a = a_side([a_run(0, counted=False, total_syscalls=None), a_run(1)], {READ: [None, made(4)]})
    found = read(compare(a, several(10, [made(4), made(4)])))
    assert found.calls.a.runs == 1
    assert found.calls.verdict is Verdict.UNKNOWN


def test_the_same_number_of_another_abi_is_another_call() -> None:
    b = several(10, [made(4), made(4)], CallKey("i386", 3, "read"))
    found = compare(several(0, [made(4), made(4)]), b)
    assert [(each.key.abi, each.in_a, each.in_b) for each in found.calls] == [
        ("i386", 0, 2),
        ("x86_64", 2, 0),
    ]


def test_figures_that_vary_are_the_ones_that_were_tested() -> None:
    calls: list[Any] = [made(number) for number in (1, 2, 3, 4, 5)]
    found = compare(several(0, calls), several(10, calls))
    assert found.tested == 1  # read's calls; each took 100 ns, and all else is the same


def test_what_has_one_value_on_each_side_was_not_tested_though_it_differs() -> None:
    found = compare(several(0, [made(4)] * 5), several(10, [made(5)] * 5))
    assert read(found).calls.verdict is Verdict.DIFFERS
    assert found.tested == 0


def test_two_runs_a_side_do_for_the_counts_of_a_call_and_not_for_its_latency() -> None:
    b = several(10, [made(4, each_ns=900)] * 2)
    found = read(compare(several(0, [made(3)] * 2), b))
    assert found.calls.verdict is Verdict.DIFFERS
    assert found.blocked.verdict is Verdict.SAME
    assert found.latency_ns.verdict is Verdict.UNKNOWN


def test_what_may_explain_a_difference_has_every_value() -> None:
    tagged = a_run(1)._replace(about={**ABOUT, "kernel": "6.19", "tags": {"build": "4"}})
    found = settings(a_side([a_run(0), tagged]))
    assert found["kernel"] == ("6.18", "6.19")
    assert found["tag build"] == ("4",)
    assert found["command"] == ("./server 'a b'",)


def judged(a: Side, b: Side, text: str) -> tuple[bool | None, str]:
    (one,) = demands.judge(compare(a, b), demands.parse([text]))
    return one.passed, one.why


def with_calls(first: int, totals: list[int], **changes: Any) -> Side:
    return a_side(
        [a_run(first + at, total_syscalls=total, **changes) for at, total in enumerate(totals)]
    )


@pytest.mark.parametrize(
    ("a", "b", "passed"),
    [
        ([100, 100], [110, 110], True),
        ([100, 100], [111, 111], False),
        ([100, 100], [50, 50], True),
        ([100], [200], None),
        ([100, 101], [200, 201], None),
        ([0, 0], [1, 1], False),
        ([0, 0], [0, 0], True),
        ([100, 100, 100, 100, 130], [130, 100, 130, 130, 130], True),  # noise
    ],
)
def test_more_calls_fail_beyond_the_percentage_and_beyond_noise(
    a: list[int], b: list[int], passed: bool | None
) -> None:
    assert judged(with_calls(0, a), with_calls(10, b), "calls+10%")[0] is passed


@pytest.mark.parametrize("change", [{"counted": False}, {"exact": False}])
@pytest.mark.parametrize("text", ["calls+10%", "new-syscall", "new-error", "read.latency+5%"])
def test_counts_that_prove_nothing_meet_no_demand(change: dict[str, bool], text: str) -> None:
    passed, why = judged(with_calls(0, [5, 5], **change), with_calls(10, [5, 5]), text)
    assert passed is None
    assert "run 000000000000 of A" in why
    passed, why = judged(with_calls(0, [5, 5]), with_calls(10, [5, 5], **change), text)
    assert passed is None
    assert "run 00000000000a of B" in why


def test_time_needs_no_exact_counts() -> None:
    a, b = with_calls(0, [5] * 5, exact=False), with_calls(10, [5] * 5, exact=False)
    assert judged(a, b, "wall+10%")[0] is True


def test_what_is_new_is_named_also_where_one_run_of_many_has_it() -> None:
    a = a_side([a_run(0), a_run(1)], {READ: [made(1), made(1)]}, {(READ, "EIO"): [1, 0]})
    b = a_side(
        [a_run(10), a_run(11)],
        {READ: [made(1, blocked=1), made(1)], OPEN: [None, made(1)]},
        {(READ, "EIO"): [1, 1], (READ, "EINTR"): [0, 1]},
    )
    assert judged(a, b, "new-syscall") == (False, "new: openat")
    assert judged(a, b, "new-error") == (False, "new: read EINTR")
    assert judged(a, b, "new-blocked") == (False, "new: read")
    for text in demands.NEW:
        assert judged(b, a, text) == (True, "none")


def test_one_syscall_may_be_bounded() -> None:
    a, b = several(0, [made(10)] * 5), several(10, [made(12, each_ns=150)] * 5)
    assert judged(a, b, "read.calls+19.9%")[0] is False
    assert judged(a, b, "read.calls+20%")[0] is True
    assert judged(a, b, "read.latency+49%")[0] is False
    assert judged(a, b, "read.latency+50%")[0] is True
    assert judged(a, b, "write.calls+0%")[0] is True
    assert judged(several(0, [None] * 5), b, "read.calls+10%")[0] is False
    assert judged(several(0, [None] * 5), b, "read.latency+10%")[0] is None


@pytest.mark.parametrize(
    "text",
    ["", "new", "calls", "calls+10", "calls+-1%", "calls+1e3%", "read.wall+1%", "latency+1%",
     "calls+10%,", "READ.calls+1%", "calls+10% x", "new-syscall+1%"],
)  # fmt: skip
def test_a_demand_that_means_nothing_is_a_wrong_command_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"--fail-on .*new-syscall"):
        demands.parse([text])


def test_demands_stand_in_lists_and_the_option_may_be_repeated() -> None:
    found = demands.parse(["new-syscall, calls+10%", "wall+0.5%"])
    assert [each.text for each in found] == ["new-syscall", "calls+10%", "wall+0.5%"]


def test_two_runs_on_one_side_are_enough_beside_many_on_the_other() -> None:
    assert judge([1, 2], range(10, 40), counted=False).verdict is Verdict.DIFFERS
    assert judge([1], range(10, 40), counted=False).verdict is Verdict.UNKNOWN


def test_a_run_without_an_error_had_it_no_time() -> None:
    runs = [a_run(at) for at in range(4)]
    key = (READ, "EIO")
    a = a_side(runs[:2], {READ: [made(5)] * 2}, {key: [3, 3]})
    b = a_side(runs[2:], {READ: [made(5)] * 2}, {key: [0, 3]})
    (error,) = compare(a, b).errors
    assert error.failed.b is not None
    assert (error.failed.b.low, error.failed.b.high) == (0, 3)


def test_calls_come_by_how_often_they_were_made_on_the_side_that_made_more() -> None:
    a = a_side([a_run(0)], {READ: [made(1)], OPEN: [made(9)]})
    b = a_side([a_run(1)], {READ: [made(20)]})
    assert [each.key for each in compare(a, b).calls] == [READ, OPEN]
    assert [each.key for each in compare(b, a).calls] == [READ, OPEN]
