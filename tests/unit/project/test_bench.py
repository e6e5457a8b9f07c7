"""The arithmetic and the tables of the benchmark, and what it reads of its peers' output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.bench import bars, call_cost, counted, missing, report, start, steady
from tests.bench.mutations import c, python
from tests.bench.mutations.mutant import mutants
from tests.bench.results import Figure, Results

if TYPE_CHECKING:
    from pathlib import Path


def test_ratios_are_taken_within_each_round() -> None:
    """A round that was twice as slow for both leaves the ratio alone."""
    slow_second_round = Figure((150.0, 300.0, 150.0)).over(Figure((100.0, 200.0, 100.0)))
    assert slow_second_round.values == (1.5, 1.5, 1.5)


def test_a_slow_tool_is_compared_over_the_rounds_it_took_part_in() -> None:
    """It took part in the first ones."""
    assert Figure((10.0,)).over(Figure((5.0, 7.0))).values == (2.0,)


def test_quartiles_of_one_round_are_its_value() -> None:
    """One round has no spread."""
    assert Figure((3.0,)).quartiles == (3.0, 3.0)


def test_a_bar_without_its_figures_is_not_measured() -> None:
    """Never "met" by default."""
    assert {bar.verdict for bar in bars.bars(Results())} == {"not measured"}


def test_bars_are_met_up_to_their_limit_and_not_above_it() -> None:
    """Ratios within the run; missing calls of either sign count."""
    results = Results()
    results.add(call_cost.PART, call_cost.TRACED, "floor", 100)
    results.add(call_cost.PART, call_cost.TRACED, "sbtrace", 145)
    results.add(call_cost.PART, call_cost.BESIDE, "sbtrace", 116)
    results.add(missing.PART, "of 8", "sbtrace", 1)
    results.add(missing.PART, "of 8", "sbtrace", -1)
    results.add(start.MEMORY, start.WARM, "sbtrace", 130_000_000)
    found = {bar.what: (bar.value, bar.verdict) for bar in bars.bars(results)}
    assert found["ns a call, over two empty raw tracepoints"] == (1.45, "met")
    assert found["an untraced program's call, over the same floor"] == (1.16, "NOT MET")
    assert found["calls missing, all rounds"] == (2, "NOT MET")
    assert found["peak memory, small run, MB"] == (130, "met")


def test_the_report_fits_80_columns_and_names_what_was_not_measured() -> None:
    """A peer that is not there is said to be missing, with the reason."""
    results = Results()
    for tool in ("native", "sbtrace", "strace"):
        results.add(call_cost.PART, call_cost.TRACED, tool, 12345.6)
    text = report.text(results, {"load": "0.00"}, {"perf trace -s": "perf is not installed"})
    assert "not measured: perf trace -s: perf is not installed" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    """The error says what to add."""
    document = tmp_path / "evaluation.md"
    document.write_text("no markers")
    with pytest.raises(ValueError, match="add them"):
        report.write_into(document, "figures")
    assert document.read_text() == "no markers"


def test_counts_are_read_as_the_tools_print_them(tmp_path: Path) -> None:
    """Samples of each tool's real output; perf has a table for each thread."""
    (tmp_path / "strace.out").write_text(
        "% time     seconds  usecs/call     calls    errors syscall\n"
        "------ ----------- ----------- --------- --------- ----------------\n"
        " 99.98    0.006083           0     20011         3 getppid\n"
        "100.00    0.006084           0     20013         3 total\n"
    )
    (tmp_path / "perf.out").write_text(
        " threads (1), 40 events, 50.0%\n\n"
        "   getppid               20      0     0.024     0.001     0.001     0.003   8.22%\n"
        " threads (2), 40 events, 50.0%\n\n"
        "   getppid               21      0     0.024     0.001     0.001     0.003   8.22%\n"
    )
    (tmp_path / "bpftrace.out").write_text(
        '{"type": "attached_probes", "data": {"probes": 1}}\n'
        '{"type": "map", "data": {"@": {"1": 3, "110": 20011}}}\n'
    )
    (tmp_path / "syscount.out").write_text("SYSCALL   COUNT   TIME (us)\ngetppid   20011   7.1\n")
    (tmp_path / "sbtrace.out").write_text(
        '{"syscalls": [{"name": "getppid", "calls": 7}, {"name": "read", "calls": 1},'
        ' {"name": "getppid", "calls": 4}]}'
    )
    assert counted.by_strace(tmp_path) == 20011
    assert counted.by_perf(tmp_path) == 41
    assert counted.by_bpftrace(tmp_path) == 20011
    assert counted.by_syscount(tmp_path) == 20011
    assert counted.by_sbtrace(tmp_path) == 11


def test_a_round_of_steady_names_what_failed() -> None:
    output = (
        "..F\nFAILED tests/unit/test_a.py::test_b - assert 1\nERROR tests/x.py::test_c\n1 failed"
    )
    assert steady.failures(1, output) == ["tests/unit/test_a.py::test_b", "tests/x.py::test_c"]
    assert steady.failures(0, output) == []
    (only,) = steady.failures(4, "no such file")
    assert only == "pytest ended with 4: no such file"


def changed(source: str, language: Any) -> set[str]:
    text = source.encode()
    return {one.apply(text).decode() for one in mutants("x", text, language.edits(text))}


def test_python_is_changed_where_it_decides() -> None:
    assert changed("if a < 3 and b:\n    f()\n", python) >= {
        "if a <= 3 and b:\n    f()\n",
        "if a < 4 and b:\n    f()\n",
        "if a < 3 or b:\n    f()\n",
        "if (not (a < 3 and b)):\n    f()\n",
        "if a < 3 and b:\n    pass\n",
    }
    assert (
        changed('def f(a: int | None) -> \'str\':\n    """One."""\n    x = \'a\' + b\n', python)
        == set()
    )


def test_c_is_changed_where_it_decides_and_not_in_comments() -> None:
    source = (
        "void f(void) {\n    /* a < b */\n    if (!x && y < 3)\n        n->calls += 2; // -\n}\n"
    )
    found = changed(source, c)
    for old, new in (("!x", "x"), ("&&", "||"), ("< 3", "<= 3"), ("3)", "4)"), ("+= 2", "-= 2")):
        at = source.replace(old, new) if old != "< 3" else source.replace("y < 3", "y <= 3")
        assert at in found
    assert source.replace("n->calls += 2;", ";") in found
    assert not [text for text in found if "a < b" not in text]


def test_a_mutant_keeps_its_name_when_lines_come_before_it() -> None:
    before, after = b"x = 1 < 2\n", b"import os\n\nx = 1 < 2\n"
    names = [{m.key for m in mutants("x", text, python.edits(text))} for text in (before, after)]
    assert names[0] == names[1]
    assert len(names[0]) == 3
