"""Load one spool folder into the open database, in bulk and in one transaction."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tracer.completeness import counts_are_exact, samples_are_complete
from tracer.model import Loss
from tracer.store.schema import TABLES
from tracer.store.spool import folder, row_file, spool, waiting

if TYPE_CHECKING:
    import duckdb

    from tracer.store.spool.waiting import Claimed

_LINE_BYTES = 64 << 20  # a line with the longest argv that execve takes, and then some
_LARGE_BYTES = 32 << 20
"""A file from this size on is given to all processors."""
Shapes = dict[str, dict[str, str]]
SAMPLES = row_file.file_name("samples")
COLLECTOR = "store"
"""``losses.collector`` of what the store itself knows to be missing."""


class Damaged(Exception):
    """The rows of a spool are none that the database can hold."""


def load_run(connection: duckdb.DuckDBPyConnection, claimed: Claimed) -> bool:
    """Put the run into the database; return False if it was there before.

    Raises OSError, duckdb.Error and Damaged, and then the database is as it was.
    """

    known = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", [claimed.run_id]).fetchall()
    if known:
        return False
    connection.execute("BEGIN")
    try:
        _load_tables(connection, claimed)
        connection.execute("COMMIT")
    except BaseException as error:
        with suppress(Exception):  # the error that matters is the first one
            connection.execute("ROLLBACK")
        if reason := _damage(error):
            raise Damaged(reason) from error
        raise
    return True


def _damage(error: BaseException) -> str | None:
    """Return what is wrong with the rows; None if it may be the disk, memory or database."""
    from tracer.store.engine import duckdb

    if isinstance(error, OSError):  # the only files that Python opens here are the spool's
        return f"a table: {error.strerror}" if error.errno in waiting.LASTING else None
    first = str(error).partition("\n")[0]
    torn = isinstance(error, duckdb.InvalidInputException) and "JSON" in first
    return first if torn or isinstance(error, duckdb.DataError | duckdb.IntegrityError) else None


def _load_tables(connection: duckdb.DuckDBPyConnection, claimed: Claimed) -> None:
    run, number = dict(claimed.head["run"]), claimed.head["snapshot"]
    columns = columns_of(connection)
    for table, size in claimed.head["final"].items():
        _cut(row_file.file_name(table), size, claimed)
        _load_file(connection, columns, table, row_file.file_name(table), claimed)
    for table in spool.COUNTED:
        _load_file(connection, columns, table, f"{table}.{number}.jsonl", claimed)
    losses = _load_samples(connection, columns, claimed)
    if not claimed.head["finished"]:
        run["outcome"] = "interrupted"
        losses.append(Loss(COLLECTOR, "interrupted", 1, _last_instant(connection, claimed)))
    if losses:
        _judge(run, losses)
    lost = [{"run_id": claimed.run_id, **item._asdict()} for item in losses]
    _insert(connection, columns, "losses", lost)
    _insert(connection, columns, "runs", [run])


def _judge(run: dict[str, Any], losses: list[Loss]) -> None:
    """Take back what the run says of itself, as far as the store's own losses touch it."""
    if run["trace"] == "full" and not counts_are_exact(losses):
        run["exact"] = False
    if not samples_are_complete(losses):
        run["samples_complete"] = False


def _cut(name: str, size: int, claimed: Claimed) -> None:
    """Drop rows that became final after the snapshot: it holds them as they stood then."""
    file = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=claimed.inner)
    with folder.opened(file):
        if os.fstat(file).st_size > size:
            os.ftruncate(file, size)


def _load_file(
    connection: duckdb.DuckDBPyConnection, shapes: Shapes, table: str, name: str, claimed: Claimed
) -> int:
    """Load a file of whole lines; return how many rows it gave. A missing file has none."""
    try:
        opened = folder.open_file(name, claimed.inner)
    except FileNotFoundError:
        return 0
    with folder.opened(opened) as file:
        size = os.fstat(file).st_size
        if not size:
            return 0
        if size > _LARGE_BYTES:
            connection.execute(f"SET threads = {os.cpu_count() or 1}")
        # By descriptor: no name to follow a link, and none for read_json to glob.
        columns = {name: shape for name, shape in shapes[table].items() if name != "run_id"}
        torn = name == SAMPLES  # the others are cut at a snapshot, or whole
        count = connection.execute(
            f"INSERT INTO {table} BY NAME SELECT ? AS run_id, * FROM read_json(?,"  # noqa: S608 - names of ours
            f" format = 'newline_delimited', maximum_object_size = {_LINE_BYTES},"
            f" ignore_errors = {torn}, columns = {_spec(columns)})"
            + (" WHERE at_ns IS NOT NULL" if torn else ""),
            [claimed.run_id, f"/proc/self/fd/{file}"],
        ).fetchall()
    return int(count[0][0])


def _load_samples(
    connection: duckdb.DuckDBPyConnection, shapes: Shapes, claimed: Claimed
) -> list[Loss]:
    """Load the samples; return as losses those that the death of sbtrace tore."""
    try:
        lines = folder.read_file(SAMPLES, claimed.inner).count(b"\n")
    except FileNotFoundError:
        return [Loss(COLLECTOR, "samples_missing", 1)]
    loaded = _load_file(connection, shapes, "samples", SAMPLES, claimed)
    return [Loss(COLLECTOR, "torn_samples", lines - loaded)] if lines > loaded else []


def _last_instant(connection: duckdb.DuckDBPyConnection, claimed: Claimed) -> int | None:
    rows = connection.execute(
        "SELECT max(at_ns) FROM samples WHERE run_id = ?", [claimed.run_id]
    ).fetchall()
    return None if rows[0][0] is None else int(rows[0][0])


def _insert(
    connection: duckdb.DuckDBPyConnection, shapes: Shapes, table: str, rows: list[dict[str, Any]]
) -> None:
    """Insert a handful of rows given as JSON can hold them."""
    if not rows:
        return
    columns = shapes[table]
    shape = json.dumps([columns])
    names = ", ".join(f'row."{name}"' for name in columns)
    connection.execute(
        f"INSERT INTO {table} SELECT {names} FROM (SELECT unnest(json_transform(?, ?)) AS row)",  # noqa: S608 - names of ours
        [json.dumps(rows), shape],
    )


def columns_of(connection: duckdb.DuckDBPyConnection) -> Shapes:
    """Return table -> column -> SQL type, columns in order.

    Asked of empty results: DuckDB's catalogue functions bind every view first (14 ms).
    """
    return {
        table: {
            name: str(kind)
            for name, kind, *_ in connection.execute(f"SELECT * FROM {table} LIMIT 0").description  # noqa: S608 - names of ours
            or ()
        }
        for table in TABLES
    }


def _spec(columns: dict[str, str]) -> str:
    pairs = (f"'{name}': '{kind.replace(chr(39), chr(39) * 2)}'" for name, kind in columns.items())
    return "{" + ", ".join(pairs) + "}"
