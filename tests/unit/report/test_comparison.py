"""What ``compare`` shows: 80 columns, noise called noise, and what is missing said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.analysis.sides import ABOUT, OPEN, READ, a_run, a_side, made, several
from tracer.analysis import demands
from tracer.analysis.compare import Comparison, compare
from tracer.errors import UsageError
from tracer.report.comparison import ComparisonReport
from tracer.report.form import Page
from tracer.report.latencies import Latencies, quantile_objects

if TYPE_CHECKING:
    from tracer.query.sides import CallKey, Side


def shown(found: Comparison, *, whole: bool = False, fail_on: str | None = None) -> str:
    judged = demands.judge(found, demands.parse([fail_on])) if fail_on else ()
    text = ComparisonReport(found, judged).text(Page(whole=whole))
    assert max(map(len, text.splitlines())) <= 80
    return text


def words(row: str) -> list[str]:
    """The words of a row, without the bar at its end."""
    return [word for word in row.split() if not {*word} <= {*"#+-"}]


def grown() -> Comparison:
    a = a_side([a_run(at) for at in range(5)], {READ: [made(100)] * 5}, {(READ, "EIO"): [1] * 5})
    b = a_side(
        [a_run(10 + at, total_syscalls=9) for at in range(5)],
        {READ: [made(110)] * 5, OPEN: [None, *[made(1)] * 4]},
        {(READ, "EIO"): [3] * 5, (READ, "EINTR"): [2] * 5},
    )
    return compare(a, b)


def test_what_differs_is_in_the_first_line_and_has_its_row() -> None:
    text = shown(grown(), fail_on="new-error,calls+50%,read.latency+10%")
    first, *rows = text.splitlines()
    assert first == "sbtrace: A and B differ: 1 other count, 1 new error, 1 total"
    cells = [words(row) for row in rows]
    assert any(row.endswith("#####+++++++++++++") for row in rows if "EIO" in row)
    assert ["7", "9", "+28.6", "%", "differs", "calls"] in cells
    assert ["100", "110", "+10.0", "%", "differs", "read"] in cells
    assert ["1", "3", "+200.0", "%", "differs", "read", "EIO"] in cells
    assert ["0", "2", "+2", "differs", "read", "EINTR"] in cells
    assert ["only", "B", "openat", "(in", "4", "of", "5", "runs)"] in cells
    assert ["failed", "new-error:", "new:", "read", "EINTR"] in cells
    assert ["passed", "calls+50%:", "+28.6", "%"] in cells


def test_what_is_alike_is_counted_and_shown_with_all() -> None:
    found = compare(several(0, [made(5)] * 5), several(10, [made(5)] * 5))
    text = shown(found)
    assert text.startswith("sbtrace: A and B differ in nothing but noise\n")
    assert "the counts of 1 other call: --all shows them" in text
    assert "same         read" not in text
    rows = [words(row) for row in shown(found, whole=True).splitlines()]
    assert ["5", "5", "0", "same", "read"] in rows
    assert ["100", "ns", "100", "ns", "0", "same", "read"] in rows


def test_one_run_a_side_tells_nothing_of_noise_and_says_so() -> None:
    text = shown(compare(several(0, [made(5)]), several(10, [made(6)])), fail_on="read.calls+1%")
    assert text.startswith("sbtrace: one run on a side: a difference cannot be told from noise\n")
    assert "differs" not in text
    assert "1 run on a side: what varies from run to run" in text
    assert "unknown   read.calls+1%: too few runs: 1 and 1" in text


def test_few_runs_that_differ_in_nothing_certain_are_not_called_alike() -> None:
    found = compare(several(0, [made(5), made(6)]), several(10, [made(6), made(7)]))
    assert shown(found).startswith("sbtrace: no difference is certain after so few runs\n")


def test_runs_whose_counts_prove_nothing_are_in_the_head() -> None:
    a = a_side([a_run(0), a_run(1, exact=False)], {READ: [made(5), made(5)]})
    b = a_side([a_run(10, counted=False, exact=False), a_run(11)], {READ: [None, made(5)]})
    text = " ".join(shown(compare(a, b)).split())
    assert "1 not exact: calls may be missing" in text
    assert "1 without counts of eBPF" in text


def test_what_may_explain_a_difference_is_told() -> None:
    other = {**ABOUT, "kernel": "6.19", "tags": {"build": "\x1b[31m42"}}
    b = a_side([a_run(at)._replace(about=other) for at in (10, 11)])
    text = shown(compare(a_side([a_run(0), a_run(1)]), b))
    assert "kernel A 6.18; B 6.19" in " ".join(text.split())
    assert "A none; B \\x1b[31m42" in text
    assert "\x1b" not in text


def test_a_long_command_and_many_values_stay_within_the_width() -> None:
    runs = [
        a_run(at)._replace(about={**ABOUT, "argv": ("sh", "-c", "x" * 20 + f" {at}")})
        for at in range(6)
    ]
    text = shown(compare(a_side(runs), several(10, [made(1)] * 5)))
    assert "and 5 more" in text


def test_json_has_every_figure_with_null_for_what_is_not_known() -> None:
    a = a_side([a_run(0, wall_ns=None), a_run(1, wall_ns=None)], {READ: [made(2), made(2)]})
    found = compare(a, several(10, [made(2), made(3)]))
    plain = json.loads(json.dumps(ComparisonReport(found).data()))
    assert plain["figures"]["wall_ns"]["a"] is None
    assert plain["figures"]["wall_ns"]["verdict"] == "unknown"
    assert plain["figures"]["total_syscalls"]["verdict"] == "same"
    (call,) = plain["syscalls"]
    assert (call["in_a"], call["in_b"]) == (2, 2)
    assert call["calls"]["b"] == {"runs": 2, "median": 2.5, "low": 2, "high": 3}
    assert call["latency_ns"]["quantiles"][0] == {"quantile": 0.5, "a": None, "b": None}


def buckets(**calls: int) -> tuple[int, ...]:
    """``_3=5``: five calls in bucket 3."""
    return tuple(calls.get(f"_{at}", 0) for at in range(28))


def with_histogram(first: int, key: CallKey, each: tuple[int, ...]) -> Side:
    return several(first, [made(sum(each))] * 2, key)._replace(histograms={key: each})


def test_histograms_lie_over_each_other_as_shares() -> None:
    found = compare(
        with_histogram(0, READ, buckets(_0=50, _1=50)),
        with_histogram(10, READ, buckets(_0=1000, _2=1000)),
    )
    text = Latencies.of(found, "read").text()
    rows = [row.split() for row in text.splitlines()]
    told = [" ".join(row) for row in rows]
    assert told[0] == "read: 100 calls returned on A, 2,000 on B"
    assert "p50 A 0 ns to 128 ns; B 0 ns to 128 ns" in told
    assert "p99 A 128 ns to 256 ns; B 256 ns to 512 ns" in told
    bars = {tuple(row[:5]): row[-1] for row in rows[4:7]}
    assert set(bars["0", "ns", "to", "128", "ns"]) == {"#"}
    assert set(bars["128", "ns", "to", "256", "ns"]) == {"-"}
    assert set(bars["256", "ns", "to", "512", "ns"]) == {"+"}
    assert max(map(len, text.splitlines())) <= 80
    assert Latencies.of(found, "read").data()["histogram"][2] == {
        "syscall": "read",
        "abi": "x86_64",
        "from_ns": 256,
        "to_ns": 512,
        "calls_a": 0,
        "calls_b": 1000,
    }


@pytest.mark.parametrize(
    ("quantile_of", "low"),
    [(buckets(_0=9, _1=1), 128), (buckets(_0=99, _1=1), 0), (buckets(_27=1), 1 << 33)],
)
def test_a_quantile_lies_in_the_bucket_of_the_call_that_it_is(
    quantile_of: tuple[int, ...], low: int
) -> None:
    side = with_histogram(0, READ, quantile_of)
    found = compare(side, with_histogram(10, READ, quantile_of))
    (_, _, last) = quantile_objects(found, READ)
    assert last["a"] == {"from_ns": low, "to_ns": None if low == 1 << 33 else (low or 64) * 2}


def test_a_syscall_that_neither_side_made_has_no_bars() -> None:
    found = compare(several(0, [made(1)]), several(10, [made(1)]))
    with pytest.raises(UsageError, match="--histogram fork: neither side has such a call"):
        Latencies.of(found, "fork").text()
