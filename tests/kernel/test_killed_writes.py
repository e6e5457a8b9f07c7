"""A writer killed at any of its writes, or within one, loses no run and leaves a whole database."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests import killed
from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer.store import schema, undo
from tracer.store.intake import take_in
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Programs

PAGE = 4096
RUNS = 2  # in the database before
MENDING = 4  # writes: what was kept, put back in so many places, then removed


@pytest.fixture
def kill(programs: Programs) -> Iterator[killed.Killed]:
    with killed.Killed(programs["die_writing.so"]) as made:
        yield made


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory, where a disk takes no time: deaths are tried here."""
    with tempfile.TemporaryDirectory(dir=killed.IN_MEMORY) as made:
        (Path(made) / "fallback").mkdir(mode=0o700)
        monkeypatch.setenv("TMPDIR", f"{made}/fallback")
        yield Path(made)


@pytest.fixture
def before(memory: Path) -> Path:
    """A database with two runs, and a third that waits."""
    path = memory / "before" / "sbtrace.duckdb"
    for _ in range(RUNS):
        finished(path, a_record())
        take_in(path)
    finished(path, a_record())
    return path


def is_whole(database: Path, runs: int) -> None:
    """Everything can be read, and every run is there once."""
    with Reader(database) as reader:
        assert reader.waiting == ()
        for table in schema.TABLES:
            reader.execute(f"SELECT * FROM {table}")  # noqa: S608 - a table of ours
        each = reader.execute("SELECT count(*) FROM samples GROUP BY run_id")
        assert each == [(3,)] * runs
    assert not undo.is_left(database)


@pytest.mark.kernel
def test_a_writer_killed_within_any_write_leaves_a_whole_database(
    kill: killed.Killed, before: Path, memory: Path
) -> None:
    database = memory / "now" / before.name
    writes = kill("take_in", killed.copy(before, database))
    assert writes is not None
    is_whole(database, RUNS + 1)
    for number in range(1, writes + 1):
        assert kill("take_in", killed.copy(before, database), number, PAGE) is None
        is_whole(database, RUNS + 1)


@pytest.mark.kernel
def test_who_mends_may_be_killed_too(kill: killed.Killed, before: Path, memory: Path) -> None:
    torn, database = memory / "torn" / before.name, memory / "now" / before.name
    writes = kill("take_in", killed.copy(before, torn))
    assert writes is not None
    last = next(n for n in range(writes, 0, -1) if _is_left_torn(kill, before, torn, n))
    assert kill("take_in", killed.copy(before, torn), last, PAGE) is None
    for number in range(1, MENDING + 1):
        assert kill("upgrade", killed.copy(torn, database), number, PAGE) is None
        is_whole(database, RUNS + 1)


def _is_left_torn(kill: killed.Killed, before: Path, torn: Path, number: int) -> bool:
    """Whether DuckDB by itself cannot open what this death leaves."""
    assert kill("take_in", killed.copy(before, torn), number, PAGE) is None
    try:
        duckdb.connect(os.fspath(torn), read_only=True).close()
    except duckdb.Error:
        return True
    return False
