"""What runs did by some calls: the execve that starts the command aside, and what is new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer.query.activity import load
from tracer.query.runs import Filter
from tracer.store.intake import take_in

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.model import RunRecord


def record(number: int) -> RunRecord:
    """One run a minute of one executable."""
    return a_record(
        run_id=f"{number:x}" * 12,
        started_at=datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=number),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three runs; the last one makes a call more, and fewer by the started command's execve."""
    path = tmp_path / "sbtrace.duckdb"
    for number in range(3):
        one = record(number)
        first = one.syscalls[0]
        execve = first._replace(name="execve", nr=59, process_id=1, image=0, calls=1, blocked=0)
        more = first._replace(name="mount", nr=165, calls=4, blocked=1)
        rows = (*one.syscalls, execve, more) if number == 2 else (*one.syscalls, execve)
        finished(path, one._replace(syscalls=rows))
    take_in(path)
    return path


def test_calls_are_told_by_program_and_the_execve_that_starts_the_command_is_none(
    database: Path,
) -> None:
    acted, _ = load(database, ["last"], None, ["mount", "execve"])
    (made,) = acted.made
    assert (made.name, made.calls, made.blocked, made.runs) == ("mount", 4, 1, 1)
    assert made.program.path


def test_runs_together_are_counted(database: Path) -> None:
    acted, _ = load(database, (), Filter(command="ls"), ["read"])
    assert len(acted.sources) == 3
    assert {made.runs for made in acted.made} == {3}


def test_what_is_new_is_what_no_earlier_run_of_the_executable_did(database: Path) -> None:
    _, new = load(database, ["last"], None, ["mount"])
    assert new is not None
    assert (new.before, [name for _abi, name, _program in new.calls]) == (2, ["mount"])
    _, first = load(database, ["0"], None, ["mount"])
    assert first is not None
    assert (first.before, first.calls) == (0, ())


def test_a_call_of_a_process_without_a_row_is_evidence_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "sbtrace.duckdb"
    finished(path, record(0)._replace(processes=()))
    take_in(path)
    acted, _ = load(path, ["last"], None, ["read"])
    (made, *_) = acted.made
    assert (made.program.path, made.program.start_ns) == ("?", None)
    assert made.program.pid > 0
