"""Carry runs out of the database and into it: Parquet files, or a database of another host."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tracer.errors import StoreError
from tracer.store import folder, schema, writer
from tracer.store.load import columns_of
from tracer.store.maintain import alone
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb


def export_to(database: Path, target: Path, progress: Callable[[str], None]) -> int:
    """Write every table to ``target/<table>.parquet``; return how many runs that were.

    The folder is made if it is missing; a file that is there is not overwritten. Raises
    StoreError.
    """
    with Reader(database) as reader, writer.as_store_error(target):
        try:
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{target}: {error.strerror}: name another folder") from error
        for table in schema.TABLES:
            file = target / f"{table}.parquet"
            if file.exists():
                raise StoreError(f"{file}: is there already: export to an empty folder")
        for table in schema.TABLES:
            progress(f"exporting {table}")
            reader.connection.table(table).write_parquet(os.fspath(target / f"{table}.parquet"))
        return int(reader.execute("SELECT count(*) FROM runs")[0][0])


def import_from(database: Path, source: Path, progress: Callable[[str], None]) -> int:
    """Add the runs of ``source`` that are not in ``database``; return how many that were.

    ``source`` is a folder that ``export_to`` made, or a database of sbtrace. All of it
    comes in one transaction. Raises StoreError.
    """
    if not source.exists():
        raise StoreError(f"{source}: no such file or folder: give an export or a database")
    if source.resolve() == database:
        raise StoreError(f"{source}: is this very database: give another one")
    writer.take_in(database)
    with (
        alone(database) as user,
        writer.open_writer(database, user) as connection,
        ExitStack() as stack,
        writer.as_store_error(source),
    ):
        load = _folder if source.is_dir() else _database
        relations = load(connection, source, stack)
        connection.execute("BEGIN")
        count = _copy_new_runs(connection, relations, progress)
        connection.execute("COMMIT")
        return count


def _copy_new_runs(
    connection: duckdb.DuckDBPyConnection,
    relations: dict[str, str],
    progress: Callable[[str], None],
) -> int:
    """Copy the runs that are not there yet, table by table; return how many that were."""
    before = _count(connection)
    runs = relations["runs"]
    connection.execute(
        f"CREATE TEMP TABLE incoming AS SELECT DISTINCT run_id FROM {runs}"  # noqa: S608 - names of ours
        " ANTI JOIN main.runs USING (run_id)"
    )
    for table in schema.TABLES:
        progress(f"importing {table}")
        names = ", ".join(f'"{name}"' for name in _shared(connection, table, relations))
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT {names}"  # noqa: S608 - names of ours
            f" FROM {relations[table]} SEMI JOIN incoming USING (run_id)"
        )
    if "samples_complete" not in _shared(connection, "runs", relations):
        connection.execute(schema.JUDGED_BY_LOSSES)
    connection.execute("DROP TABLE incoming")
    return _count(connection) - before


def _shared(
    connection: duckdb.DuckDBPyConnection, table: str, relations: dict[str, str]
) -> list[str]:
    """Return the columns of ``table`` that the source has too: an older export lacks some."""
    sql = f"SELECT * FROM {relations[table]} LIMIT 0"  # noqa: S608 - names of ours
    theirs = {name for name, *_ in connection.execute(sql).description or ()}
    return [name for name in columns_of(connection)[table] if name in theirs]


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.execute("SELECT count(*) FROM main.runs").fetchall()[0][0])


def _folder(
    connection: duckdb.DuckDBPyConnection, source: Path, stack: ExitStack
) -> dict[str, str]:
    """Return table -> what to select from, for a folder of Parquet files."""
    relations = {}
    for table in schema.TABLES:
        try:
            opened = os.open(source / f"{table}.parquet", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreError(
                f"{source}/{table}.parquet: {error.strerror}: give a folder of `sbtrace db export`"
            ) from error
        stack.enter_context(folder.opened(opened))
        relations[table] = f"read_parquet('/proc/self/fd/{opened}')"  # by descriptor: never a glob
    return relations


def _database(
    connection: duckdb.DuckDBPyConnection, source: Path, stack: ExitStack
) -> dict[str, str]:
    """Return table -> what to select from, for another database of sbtrace."""
    from tracer.store import database as files

    files.attach(connection, source, "source")
    made = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'source'"
        " AND table_name = 'schema_version'"
    ).fetchall()
    found = None
    if made:
        newest = connection.execute("SELECT max(version) FROM source.schema_version").fetchall()
        found = int(newest[0][0])
    if schema.check(found, source):
        raise StoreError(f"{source}: an older version: `sbtrace db info --db` on it migrates it")
    return {table: f"source.{table}" for table in schema.TABLES}
