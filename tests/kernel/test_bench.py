"""The benchmark itself: what it takes for its figures to mean something. No figure is judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.bench import call_cost, growth, missing, peers, report, start, start_steps, workloads

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document with markers, for the table."""
    path = tmp_path_factory.mktemp("bench") / "evaluation.md"
    path.write_text(f"head\n{report.BEGIN}\nold\n{report.END}\ntail\n")
    return path


@pytest.fixture(scope="module")
def found(document: Path) -> dict[str, Any]:
    """One tiny round of everything, as JSON; the table went to ``document``."""
    options = ["--smoke", "--json", "--write", document]
    done = support.run([sys.executable, "-m", "tests.bench", *options], cwd=ROOT, timeout=170)
    assert done.returncode == 0, done.stderr
    whole: dict[str, Any] = json.loads(done.stdout)
    return whole


def test_every_part_is_measured_with_every_tool_that_is_there(found: dict[str, Any]) -> None:
    """Each part gives a figure for sbtrace, and each tool takes part."""
    figures = {(row["part"], row["tool"]) for row in found["figures"]}
    parts = (call_cost.PART, start.PART, workloads.PART, growth.PART, missing.PART, growth.TIME)
    assert {(part, "sbtrace") for part in parts} <= figures
    expected = {tool.key for tool in peers.TOOLS if tool.title not in found["missing_peers"]}
    assert {tool for part, tool in figures if part == call_cost.PART} == expected


def test_the_count_that_the_bench_reads_is_whole(found: dict[str, Any]) -> None:
    """sbtrace misses none of the known calls."""
    rows = [row for row in found["figures"] if row["part"] == missing.PART]
    assert [row["values"] for row in rows if row["tool"] == "sbtrace"] == [[0]]


@pytest.mark.usefixtures("found")
def test_the_table_replaces_the_one_before_in_a_document(document: Path) -> None:
    """What stands around the markers stays."""
    text = document.read_text()
    assert text.startswith(f"head\n{report.BEGIN}\n```\ndate ")
    assert text.endswith(f"```\n{report.END}\ntail\n")
    assert "old" not in text
    assert "sbtrace run, first ever" in text


def test_every_step_of_a_start_is_found(tmp_path: Path) -> None:
    """None of the functions that it looks at was renamed."""
    found = {label for _role, label in start_steps.once(tmp_path)}
    expected = {label for steps in start_steps.STEPS.values() for label in steps.values()}
    assert expected | set(start_steps.IMPORTS.values()) <= found
