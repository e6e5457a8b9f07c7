"""The benchmark itself: what it takes for its figures to mean something. No figure is judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import support
from tests.bench import call_cost, growth, missing, peers, start, workloads

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.kernel


def _bench(*options: str) -> support.Completed:
    return support.run([sys.executable, "-m", "tests.bench", "--smoke", *options], cwd=ROOT)


def test_a_smoke_run_measures_every_part_with_every_tool_that_is_there() -> None:
    """One tiny round: each part gives a figure for sbtrace, and each tool takes part."""
    done = _bench("--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    figures = {(row["part"], row["tool"]) for row in found["figures"]}
    parts = (call_cost.PART, start.PART, workloads.PART, growth.PART, missing.PART, growth.TIME)
    assert {(part, "sbtrace") for part in parts} <= figures
    absent = found["missing_peers"]
    expected = {tool.key for tool in peers.TOOLS if tool.title not in absent}
    assert {tool for part, tool in figures if part == call_cost.PART} == expected


def test_sbtrace_misses_no_call_of_the_smoke_run() -> None:
    """The count that the bench reads is sbtrace's own, and it is whole."""
    found = json.loads(_bench("--json", "--part", "missing").stdout)
    ours = [row for row in found["figures"] if row["tool"] == "sbtrace"]
    assert [row["values"] for row in ours] == [[0]]


def test_the_table_replaces_the_one_before_in_a_document(tmp_path: Path) -> None:
    """What stands around the markers stays, and a second time adds nothing."""
    from tests.bench import report

    document = tmp_path / "evaluation.md"
    document.write_text(f"head\n{report.BEGIN}\nold\n{report.END}\ntail\n")
    done = _bench("--part", "start", "--write", str(document))
    assert done.returncode == 0, done.stderr
    text = document.read_text()
    assert text.startswith(f"head\n{report.BEGIN}\n```\ndate ")
    assert text.endswith(f"```\n{report.END}\ntail\n")
    assert "old" not in text
    assert "sbtrace run, first ever" in text
