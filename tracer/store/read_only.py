"""SQL that a person typed, run where it can do nothing but read this one database.

Two guards, each enough alone: only statements that give rows are run, and the connection
is read-only, without files, network, extensions or Python variables, its settings locked.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from tracer.errors import QueryError
from tracer.store import database as files
from tracer.store.reader import Reader
from tracer.store.rows import ResultRows, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
# A stack of 8 MiB each; there is one file, in the page cache. Older releases have none.
_THREADS = {} if duckdb.__version__.startswith("1.") else {"async_threads": "0"}
_REFUSED = (
    "refused: a query only reads this database (SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE,"
    " SHOW, EXPLAIN)"
)


@contextmanager
def guarded_reader(
    database: Path, memory_bytes: int, *, as_made: bool, exports: Path | None = None
) -> Iterator[Reader]:
    """Open ``database`` for SQL that is not trusted; DuckDB's buffers have ``memory_bytes``.

    ``as_made``: whether it is to have the tables and views that saved queries read.
    ``exports``: the one folder that ``write_parquet`` may write to. Raises StoreError.
    """
    config = {"temp_directory": "", **_THREADS, "allow_community_extensions": "false"}

    def confine(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("SET memory_limit = ?", [f"{memory_bytes}B"])
        connection.execute("SET enable_progress_bar = false")
        if exports is not None:
            connection.execute("SET allowed_directories = ?", [[os.fspath(exports) + "/"]])
        files.confine(connection)

    with Reader(database, config, confine, as_made=as_made) as reader:
        if as_made:
            reader.require_views()
        yield reader


def check(reader: Reader, sql: str) -> set[str]:
    """Return the names of the parameters of ``sql``. Raises QueryError unless it only reads."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError("query: the SQL is not valid UTF-8: mend its encoding") from error
    try:
        # The package's own function would start a second engine, with its threads.
        statements = reader.connection.extract_statements(sql)
    except (duckdb.Error, ValueError) as error:
        raise QueryError(f"query: {_one_line(error)}") from error
    if len(statements) != 1:
        raise QueryError(f"query: {len(statements)} statements: give exactly one")
    kind = _kind(statements[0])
    if kind not in _ALLOWED:
        raise QueryError(f"query: {kind.name if kind else 'this statement'} is {_REFUSED}")
    return set(statements[0].named_parameters)


@contextmanager
def translated() -> Iterator[None]:
    """Say the errors of what runs within the block in one line, as QueryError.

    Besides DuckDB's own there are those of what Python has no value for: text that is no UTF-8,
    a day beyond the year 9999, an interval of too many days.
    """
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error) from error
    except (ValueError, OverflowError, RuntimeError, RecursionError) as error:
        raise QueryError(f"query: {_one_line(error)}: cast it to VARCHAR or BLOB") from error


def _kind(statement: duckdb.Statement) -> duckdb.StatementType | None:
    """None for a kind that DuckDB has but its Python package has no name for."""
    try:
        return statement.type
    except ValueError:  # UPDATE EXTENSIONS, of DuckDB 2.0
        return None


def rows(reader: Reader, sql: str, params: Mapping[str, object] | Sequence[object]) -> ResultRows:
    """Run ``sql`` within ``translated``; so must be what iterates over the rows."""
    check(reader, sql)
    return select(reader.connection, sql, params)


def write_parquet(reader: Reader, sql: str, params: Mapping[str, Any], file: Path) -> None:
    """Run ``sql`` within ``translated`` into ``file``, which lies in the folder for exports."""
    check(reader, sql)
    reader.connection.sql(sql, params=params or None).write_parquet(os.fspath(file))


def _translated(error: duckdb.Error) -> QueryError:
    if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory Error" in str(error):
        return QueryError("query: it needs more memory than allowed: raise --memory")
    if isinstance(error, duckdb.PermissionException) or "read-only mode" in str(error):
        return QueryError(f"query: {_one_line(error)}: {_REFUSED}")
    return QueryError(f"query: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    """Return the message with its hints and the place in the SQL, as one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " | ".join(line for line in lines if line and set(line) != {"^"})
