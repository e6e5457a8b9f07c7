"""Carry runs out of the database and into it: Parquet files, or a database of another host."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tracer.errors import StoreError
from tracer.store import database as files
from tracer.store import intake, schema
from tracer.store.load import columns_of
from tracer.store.location import check_readable
from tracer.store.maintain import alone
from tracer.store.reader import Reader
from tracer.store.spool import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb


_RUN_ID = "[0-9a-f]{12}"


def export_to(database: Path, target: Path, progress: Callable[[str], None]) -> int:
    """Write every table to ``target/<table>.parquet``; return how many runs that were.

    The folder is made if it is missing; a file that is there is not overwritten. Raises
    StoreError.
    """
    with (
        intake.as_store_error(target),
        _new_files(target) as written,
        Reader(database, confine=lambda made: files.confine(made, *written.values())) as reader,
    ):
        for table, file in written.items():
            progress(f"exporting {table}")
            reader.connection.execute(
                f"COPY {table} TO '{file}' (FORMAT parquet, USE_TMP_FILE false)"
            )
        return int(reader.execute("SELECT count(*) FROM runs")[0][0])


@contextmanager
def _new_files(target: Path) -> Iterator[dict[str, str]]:
    """Make ``target/<table>.parquet``; yield table -> a path of DuckDB's that no link can bend.

    Unless all goes well, what was made is removed.
    """
    with ExitStack() as opened, ExitStack() as made:
        at = opened.enter_context(folder.opened(_open_folder(target, made)))
        written = {}
        for table in schema.TABLES:
            name = f"{table}.parquet"
            try:
                file = folder.new_file(name, at)
            except FileExistsError as error:
                raise StoreError(
                    f"{target / name}: is there already: export to an empty folder"
                ) from error
            except OSError as error:
                raise _cannot(target / name, error) from error
            made.callback(os.unlink, name, dir_fd=at)
            written[table] = f"/proc/self/fd/{opened.enter_context(folder.opened(file))}"
        yield written
        made.pop_all()


def _open_folder(target: Path, made: ExitStack) -> int:
    try:
        if not target.is_dir():
            target.mkdir(mode=0o700, parents=True)
            made.callback(target.rmdir)
        return os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot(target, error) from error


def _cannot(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: {error.strerror}: name another folder")


def import_from(database: Path, source: Path, progress: Callable[[str], None]) -> int:
    """Add the runs of ``source`` that are not in ``database``; return how many that were.

    ``source`` is a folder that ``export_to`` made, or a database of sbtrace. All of it
    comes in one transaction. Raises StoreError.
    """
    if not source.exists():
        raise StoreError(f"{source}: no such file or folder: give an export or a database")
    if database.exists() and source.samefile(database):
        raise StoreError(f"{source}: is this very database: give another one")
    intake.take_in(database)
    with (
        alone(database) as user,
        intake.open_writer(database, user) as connection,
        ExitStack() as stack,
        intake.as_store_error(source, "read"),
    ):
        load = _folder if source.is_dir() else _database
        relations = load(connection, source, stack)
        _require_run_ids(connection, source, relations["runs"])
        connection.execute("BEGIN")
        count = _copy_new_runs(connection, relations, progress)
        connection.execute("COMMIT")
        return count


def _require_run_ids(connection: duckdb.DuckDBPyConnection, source: Path, runs: str) -> None:
    """Raise StoreError unless each run has a name as sbtrace gives them, and one of its own."""
    rows = connection.execute(
        "SELECT run_id::VARCHAR AS name, count(*)"  # noqa: S608 - names of ours
        f" FROM {runs} GROUP BY name"
        " HAVING name IS NULL OR count(*) > 1 OR NOT regexp_full_match(name, ?)"
        " ORDER BY name LIMIT 1",
        [_RUN_ID],
    ).fetchall()
    for name, count in rows:
        how = f"is there {count} times" if count > 1 else "is not 12 hexadecimal digits"
        raise StoreError(f"{source}: run_id {name!r} {how}: nothing was imported: mend the source")


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
    for table, relation in relations.items():
        progress(f"importing {table}")
        names = ", ".join(f'"{name}"' for name in _shared(connection, table, relations))
        connection.execute(
            f"INSERT INTO {table} BY NAME SELECT {names}"  # noqa: S608 - names of ours
            f" FROM {relation} SEMI JOIN incoming USING (run_id)"
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
    relations, files_of_it = {}, []
    for table in schema.TABLES:
        file = source / f"{table}.parquet"
        if table in schema.ADDED and not file.exists():
            continue  # an older export
        opened = stack.enter_context(folder.opened(_open_parquet(file)))
        files_of_it.append(f"/proc/self/fd/{opened}")  # by descriptor: never a glob
        relations[table] = f"read_parquet('/proc/self/fd/{opened}')"
    files.confine(connection, *files_of_it)
    return relations


def _open_parquet(file: Path) -> int:
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(
            f"{file}: {error.strerror}: give a folder of `sbtrace db export`"
        ) from error
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise StoreError(f"{file}: is not a regular file: give a folder of `sbtrace db export`")
    return opened


def _database(
    connection: duckdb.DuckDBPyConnection, source: Path, stack: ExitStack
) -> dict[str, str]:
    """Return table -> what to select from, for another database of sbtrace."""
    try:
        check_readable(source)
    except OSError as error:
        raise StoreError(f"{source}: {error.strerror}: give another one") from error
    files.attach(connection, source, "source")
    files.confine(connection)
    schema.require_tables(connection, source, "source")
    newest = connection.execute("SELECT max(version) FROM source.main.schema_version").fetchall()
    if schema.check(newest[0][0], source):
        raise StoreError(f"{source}: an older version: `sbtrace db info --db` on it migrates it")
    return {table: f"source.main.{table}" for table in schema.TABLES}
