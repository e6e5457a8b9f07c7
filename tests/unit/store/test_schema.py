"""The documents, the records and the real schema say the same."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.support import ROOT
from tracer.model import (
    Argument,
    BlockedCall,
    Loss,
    Process,
    Run,
    Sample,
    SyscallError,
    SyscallStat,
)
from tracer.store import database as files
from tracer.store import schema

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = ROOT / "docs" / "schema.md"
RECORDS = {
    "runs": Run,
    "processes": Process,
    "syscalls": SyscallStat,
    "syscall_errors": SyscallError,
    "blocked_calls": BlockedCall,
    "arguments": Argument,
    "samples": Sample,
    "losses": Loss,
}


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    schema.create(connection)
    return connection


def documented() -> dict[str, list[tuple[str, str, bool]]]:
    """Return table -> (column, type, never NULL) as the document has them."""
    tables: dict[str, list[tuple[str, str, bool]]] = {}
    for section in re.split(r"^### ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        rows = re.findall(r"^\| (\w+) \| ([^|]+?) \| (.*?)\s*\|$", section, flags=re.MULTILINE)
        tables[name] = [
            (column, kind, meaning.startswith("**!**"))
            for column, kind, meaning in rows
            if (column, kind) != ("column", "type")
        ]
    return tables


def real(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str, bool]]]:
    """Return table -> (column, type, never NULL) as the database has them."""
    tables: dict[str, list[tuple[str, str, bool]]] = {}
    for table, column, kind, null in connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
        " WHERE NOT internal ORDER BY table_name, column_index"
    ).fetchall():
        shown = kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
        tables.setdefault(table, []).append((column, shown, not null))
    return tables


def test_a_backup_that_fails_leaves_no_half_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "some.duckdb"
    database.write_bytes(b"content")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(OSError, match="no space"):
        schema.back_up(database, 1)
    assert list(tmp_path.iterdir()) == [database]


def test_the_document_lists_each_table_and_view_as_it_is(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    written, found = documented(), real(connection)
    assert written.keys() == found.keys()
    for table, columns in found.items():
        assert written[table][: len(columns)] == columns, table


def test_the_document_names_the_version() -> None:
    text = DOCUMENT.read_text()
    assert f"schema **version {schema.VERSION}**" in text
    assert f"\n- **{schema.VERSION}**: " in text


@pytest.mark.parametrize("table", schema.TABLES)
def test_a_table_has_the_fields_of_its_record(
    connection: duckdb.DuckDBPyConnection, table: str
) -> None:
    columns = [name for name, _, _ in real(connection)[table]]
    names = list(RECORDS[table]._fields)
    assert columns == (names if table == "runs" else ["run_id", *names])


def test_there_is_a_migration_from_every_older_version() -> None:
    assert sorted(schema.MIGRATIONS) == list(range(1, schema.VERSION))


def test_histograms_of_a_group_are_summed_element_by_element(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = "SELECT sum_histograms([[1, 2], [10, 20], []]::UBIGINT[][])"
    assert connection.execute(sql).fetchall() == [([11, 22],)]


def test_a_new_database_has_the_oldest_format_that_its_tables_need(tmp_path: Path) -> None:
    """Older releases read it: the newest command line may be older than the newest package."""
    path = tmp_path / "sbtrace.duckdb"
    with files.fresh(path):
        pass
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal")
        ((tags,),) = found.fetchall()
    assert tags["storage_version"] == f"{files.STORAGE}+"


def test_no_view_has_a_function_that_older_releases_lack() -> None:
    """DuckDB keeps a view as it was written, and 2.0 was the first with if()."""
    assert not re.search(r"\bif\(", (ROOT / "tracer/store/views.sql").read_text())
