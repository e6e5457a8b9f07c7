"""Whether the tables of a database are as sbtrace made them: anybody may alter their own file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import StoreError

if TYPE_CHECKING:
    import duckdb

REMEDY = "restore a copy of it, or name another with --db FILE"
_SCHEMA = Path(__file__).with_name("schema.sql")
_TABLE = re.compile(r"^CREATE TABLE (\w+) \((.*?)^\);", re.MULTILINE | re.DOTALL)
_VIEW = re.compile(r"^CREATE VIEW (\w+)", re.MULTILINE)
_FIELD = re.compile(r"\s*(\w+)\s+(.*?)(\s+NOT NULL|\s+PRIMARY KEY)?\s*", re.DOTALL)
_COMMA = re.compile(r",(?![^(]*\))")
_FULL_NAMES = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}


class _Column(NamedTuple):
    kind: str
    is_nullable: bool


def require(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Raise StoreError unless each table has the columns that it was made with.

    Further ones, of whoever has the file, are no fault. The connection's own catalog is meant.
    """
    found = {
        (table, column): _Column(kind, nullable)
        for table, column, kind, nullable in connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns()"
            " WHERE schema_name = 'main' AND database_name = current_database()"
            " AND table_oid IN (SELECT table_oid FROM duckdb_tables())"  # and no view in its place
        ).fetchall()
    }
    tables = {table for table, _ in found}
    for (table, column), wanted in _wanted().items():
        if table not in tables:
            raise _altered(database, f"has no table {table}")
        _compare(database, f"{table}.{column}", wanted, found.get((table, column)))


def require_views(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Raise StoreError unless the views are there, which saved queries read."""
    rows = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    there = {name for (name,) in rows}
    views = _VIEW.findall(_SCHEMA.with_name("views.sql").read_text())
    if missing := [name for name in views if name not in there]:
        raise StoreError(
            f"{database}: has no view {missing[0]}, as somebody took it away:"
            " `sbtrace db vacuum` makes the views anew"
        )


def _compare(database: Path, name: str, wanted: _Column, found: _Column | None) -> None:
    if found is None:
        raise _altered(database, f"has no column {name}")
    if _plain(found.kind) != _plain(wanted.kind):
        raise _altered(database, f"has {name} as {found.kind}, not as {wanted.kind}")
    if found.is_nullable and not wanted.is_nullable:
        raise _altered(database, f"lets {name} be NULL")


def _altered(database: Path, how: str) -> StoreError:
    return StoreError(f"{database}: {how}, as somebody altered its tables: {REMEDY}")


def _plain(kind: str) -> str:
    """Return a type without what one release of DuckDB writes otherwise than the next."""
    return re.sub(r'[\s"]', "", kind)


@cache
def _wanted() -> dict[tuple[str, str], _Column]:
    """Return (table, column) -> what schema.sql says of it."""
    return {
        (table, column): _Column(_FULL_NAMES.get(kind, kind), required is None)
        for table, body in _TABLE.findall(_SCHEMA.read_text())
        for column, kind, required in _fields(body)
    }


def _fields(body: str) -> list[tuple[str, str, str | None]]:
    matches = [_FIELD.fullmatch(part) for part in _COMMA.split(body)]
    return [(match[1], match[2], match[3]) for match in matches if match]
