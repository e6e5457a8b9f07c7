"""Which runs a history has, and what is read of one syscall in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer.errors import RunNotFound, UsageError
from tracer.query.history import load
from tracer.query.runs import Filter
from tracer.store.intake import take_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs of one command, the last one without eBPF."""
    path = tmp_path_factory.mktemp("history") / "sbtrace.duckdb"
    for number in range(4):
        changes = {"trace": "none", "exact": None, "total_syscalls": None} if number == 3 else {}
        started = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=number)
        record = a_record(run_id=f"{number:x}" * 12, started_at=started, **changes)
        finished(path, record if number < 3 else record._replace(syscalls=(), syscall_errors=()))
    take_in(path)
    return path


def test_runs_come_the_oldest_first_and_a_limit_leaves_the_newest(database: Path) -> None:
    assert [run.run_id[0] for run in load(database, Filter(command="ls")).runs] == list("0123")
    newest = load(database, Filter(command="ls", limit=2))
    assert [run.run_id[0] for run in newest.runs] == ["2", "3"]
    assert newest.calls == ()


def test_of_a_syscall_each_run_has_its_sums_and_an_uncounted_one_none(database: Path) -> None:
    found = load(database, Filter(command="ls"), "read")
    assert [each is None for each in found.calls] == [False, False, False, True]
    assert len({each.calls for each in found.calls if each}) == 1


def test_what_names_no_run_and_no_call_is_said(database: Path) -> None:
    with pytest.raises(RunNotFound, match="'nosuch'"):
        load(database, Filter(command="nosuch"))
    with pytest.raises(UsageError, match="--syscall fork"):
        load(database, Filter(command="ls"), "fork")
