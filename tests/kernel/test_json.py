"""`run --json` and `show --json` of one run are the same text, to the last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel

PROCESSES = 4201  # a prime above the 4,096 ended ones that memory keeps

CASES = {
    "several ABIs": ["int80"],
    "an argument that is not UTF-8": ["outcome", "code", "0", "a\udcff \\xff \\x5c"],
    "threads": ["threads", "13", "11"],
    "refused calls": ["normal_program"],
    "a killed one": ["policy_violation"],
    "more processes than memory keeps": ["short_processes", str(PROCESSES), "1", "5"],
}
OPTIONS = {"refused calls": ["--profile", "STRICT"], "a killed one": ["--profile", "STRICT"]}


def assert_same(sbtrace: Sbtrace, written: Path) -> None:
    shown = sbtrace("show", "last", "--json")
    assert shown.returncode == 0, shown.stderr
    assert written.read_text() == shown.stdout


@pytest.mark.parametrize("case", CASES)
def test_run_and_show_give_one_run_in_the_same_bytes(
    sbtrace: Sbtrace, programs: Programs, tmp_path: Path, case: str
) -> None:
    name, *words = CASES[case]
    written = tmp_path / "run.json"
    tags = ["--tag", "z=1", "--tag", "a=2"]
    options = [*OPTIONS.get(case, []), *tags, "--json", "-o", written]
    sbtrace("run", *options, "--", programs[name], *words)
    assert_same(sbtrace, written)


def test_without_ebpf_they_are_the_same_too(sbtrace: Sbtrace, tmp_path: Path) -> None:
    written = tmp_path / "run.json"
    sbtrace("run", "--trace", "none", "--json", "-o", written, "--", "true")
    assert_same(sbtrace, written)


def test_every_process_is_in_the_json_of_run(sbtrace: Sbtrace, programs: Programs) -> None:
    recorded = sbtrace.run(programs["short_processes"], str(PROCESSES), "1", "5")
    numbers = {row["process_id"] for row in recorded.record["processes"]}
    assert numbers == set(range(1, PROCESSES + 2))  # the command itself is one more


def test_a_run_that_waits_for_its_database_has_what_memory_keeps(
    sbtrace: Sbtrace, programs: Programs
) -> None:
    with duckdb.connect(sbtrace.db):  # another program has it open to write
        recorded = sbtrace.run(programs["short_processes"], str(PROCESSES), "1", "5")
    assert "waits" in recorded.process.stderr
    assert 4096 <= len(recorded.record["processes"]) < PROCESSES
