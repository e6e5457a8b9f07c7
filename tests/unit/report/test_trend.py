"""What ``trend`` shows: a line a figure, and each change with what differed there."""

from __future__ import annotations

import json

from tests.unit.analysis.sides import ABOUT, a_run
from tracer.analysis.trend import trends
from tracer.query.history import History
from tracer.report.form import Page
from tracer.report.sparkline import sparkline
from tracer.report.trend import TrendReport


def test_marks_go_from_the_lowest_to_the_highest_value() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 10, plain=False) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 1, 2, 3], 10, plain=True) == "_.-'"
    assert sparkline([5, 5], 10, plain=False) == "▁▁"
    assert sparkline([1, None, 2], 10, plain=True) == "_ '"
    assert sparkline([None, None], 10, plain=True) == "  "
    assert sparkline([], 10, plain=True) == ""


def test_more_values_than_columns_share_marks_by_their_median() -> None:
    assert sparkline([0, 0, 9, 7, 7, 0], 2, plain=True) == "_'"
    assert len(sparkline(list(range(1000)), 60, plain=False)) == 60


def history(calls: list[int], **other: object) -> TrendReport:
    runs = [a_run(at, total_syscalls=each) for at, each in enumerate(calls)]
    half = len(runs) // 2
    changed = {**ABOUT, **other}
    made = runs[:half] + [run._replace(about=changed) for run in runs[half:]]
    return TrendReport(trends(History("a\x1bb", tuple(made), (), ())))


def test_a_change_is_said_with_its_run_its_size_and_what_differs() -> None:
    found = history([10] * 4 + [15] * 4, kernel="6.19", executable="/x\x1b[2J")
    text = found.text()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "8 runs, 1 change" in text.splitlines()[0]
    assert "changed    run 000000000004 (" in text
    assert "calls 10 -> 15: +50.0 %" in text
    assert "kernel 6.18 -> 6.19" in text
    assert "________"[:4] in found.text(Page(plain=True))


def test_of_a_change_without_any_other_setting_that_is_said() -> None:
    assert "nothing that is recorded of the two runs" in history([10] * 4 + [15] * 4).text()


def test_the_last_run_alone_is_named_as_new() -> None:
    text = " ".join(history([10] * 5 + [15]).text().split())
    assert "too few to tell a change from noise" in text
    assert "in the last run, 000000000005, alone: calls 10 -> 15" in text


def test_as_data_it_has_every_value_and_the_changes_by_run() -> None:
    plain = json.loads(json.dumps(history([10] * 4 + [15] * 4, kernel="6.19").data()))
    assert plain["figures"]["total_syscalls"]["values"] == [10] * 4 + [15] * 4
    (change,) = plain["changes"]
    assert (change["run_id"], change["at"]) == ("000000000004", 4)
    assert change["figures"]["total_syscalls"]["ratio"] == 0.5
    assert change["settings"] == [{"name": "kernel", "before": "6.18", "after": "6.19"}]
