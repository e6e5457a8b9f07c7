"""The schema of the database: made new, checked, and brought up from an older version."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import tracer
from tracer.errors import StoreError
from tracer.store.spool import folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

VERSION = 5
"""The version of the tables and views. Raise it with every change, add a migration, and say so
in docs/schema.md."""
JUDGED_BY_LOSSES = """
UPDATE runs SET samples_complete = NOT EXISTS (
    FROM losses WHERE losses.run_id = runs.run_id AND kind IN
        ('late_sample', 'interrupted', 'torn_samples', 'samples_missing')
);
UPDATE runs SET exact = NOT EXISTS (
    FROM losses WHERE losses.run_id = runs.run_id AND collector <> 'procfs' AND kind NOT IN
        ('lost_events', 'lost_stacks', 'torn_samples', 'samples_missing')
) WHERE exact IS NOT NULL;
"""
"""Gives runs of version 1, which had one column for both, what their losses say."""
MIGRATIONS: Mapping[int, str] = {
    1: "ALTER TABLE runs ADD COLUMN samples_complete BOOLEAN;" + JUDGED_BY_LOSSES,
    2: "ALTER TABLE runs ADD COLUMN capabilities VARCHAR[];"
    "ALTER TABLE runs ADD COLUMN dropped_capabilities VARCHAR[];"
    "ALTER TABLE runs ADD COLUMN no_new_privs BOOLEAN;",
    3: "ALTER TABLE blocked_calls ADD COLUMN paths VARCHAR[];",
    4: "CREATE TABLE arguments (run_id VARCHAR NOT NULL, process_id BIGINT NOT NULL,"
    " pid BIGINT NOT NULL, image INTEGER NOT NULL, abi VARCHAR NOT NULL, nr BIGINT NOT NULL,"
    " name VARCHAR NOT NULL, combination INTEGER, argument INTEGER, value UBIGINT);",
}
"""Version -> the SQL that brings a database of that version to the next one. It changes
tables only: the views are made anew after the last step."""
TABLES = (
    "runs",
    "processes",
    "syscalls",
    "syscall_errors",
    "blocked_calls",
    "arguments",
    "samples",
    "losses",
)
ADDED = ("arguments",)
"""Those that older databases and exports lack."""
_HERE = Path(__file__).parent


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make every table and view in the empty database behind ``connection``."""
    connection.execute((_HERE / "schema.sql").read_text())
    connection.execute((_HERE / "views.sql").read_text())
    _stamp(connection, VERSION)


def version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the schema version of the database; None if sbtrace did not make it."""
    from tracer.store.engine import duckdb

    try:
        rows = connection.execute("SELECT max(version) FROM schema_version").fetchall()
    except duckdb.CatalogException:
        return None
    return None if rows[0][0] is None else int(rows[0][0])


def require_tables(
    connection: duckdb.DuckDBPyConnection, database: Path, catalog: str | None = None
) -> None:
    """Raise StoreError unless what bears a table's name is a table, and no view or macro.

    A database of another user is read for what it holds, not to run what it says. ``catalog``:
    the name that it is attached as; None: the connection's own.
    """
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND NOT temporary"
        " AND database_name = coalesce(?, current_database())",
        [catalog],
    ).fetchall()
    there = {name for (name,) in rows}
    missing = [name for name in ("schema_version", *TABLES) if name not in there]
    if missing and set(missing) <= set(ADDED) and _is_older(connection, catalog):
        return
    if missing:
        raise StoreError(
            f"{database}: has no table {missing[0]}, so it is not one of sbtrace:"
            " name another database"
        )


def _is_older(connection: duckdb.DuckDBPyConnection, catalog: str | None) -> bool:
    """Whether the database is of a version that was before ``ADDED``, and will not be read so."""
    where = f"{catalog}.main." if catalog else ""
    rows = connection.execute(f"SELECT max(version) FROM {where}schema_version").fetchall()  # noqa: S608 - a name of ours
    return rows[0][0] is not None and rows[0][0] < VERSION


def check(found: int | None, database: Path) -> bool:
    """Return whether a database of version ``found`` is older than this sbtrace's schema.

    Raises StoreError for a newer one, and for one that sbtrace did not make.
    """
    if found is None:
        raise StoreError(
            f"{database}: is a DuckDB database, but not one of sbtrace: name another with --db FILE"
        )
    if found > VERSION:
        raise StoreError(
            f"{database}: schema version {found} is newer than this sbtrace knows ({VERSION}):"
            " update sbtrace, or name another database with --db FILE"
        )
    return found < VERSION


def migrate(connection: duckdb.DuckDBPyConnection, found: int) -> None:
    """Bring the database from version ``found`` to ``VERSION``: as a whole, or not at all."""
    connection.execute("BEGIN")
    for name, kind in connection.execute(
        "SELECT view_name, 'VIEW' FROM duckdb_views() WHERE NOT internal UNION ALL"
        " SELECT DISTINCT function_name, 'MACRO' FROM duckdb_functions()"
        " WHERE function_type = 'macro' AND NOT internal"
    ).fetchall():
        quoted = name.replace('"', '""')
        connection.execute(f'DROP {kind} "{quoted}"')
    for step in range(found, VERSION):
        connection.execute(MIGRATIONS[step])
        _stamp(connection, step + 1)
    connection.execute((_HERE / "views.sql").read_text())
    connection.execute("COMMIT")


def _stamp(connection: duckdb.DuckDBPyConnection, number: int) -> None:
    connection.execute(
        "INSERT INTO schema_version VALUES (?, now(), ?)", [number, tracer.__version__]
    )


def back_up(database: Path, found: int) -> Path:
    """Copy the closed ``database`` beside itself before it is changed; return the copy's path.

    An earlier backup of the same version is not touched. Raises OSError.
    """
    with folder.opened(os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)) as at:
        for number in range(1000):
            name = f"{database.name}.v{found}.backup" + (f".{number}" if number else "")
            with suppress(FileExistsError):
                _copy(database.name, name, at)
                return database.with_name(name)
    raise FileExistsError(None, "too many backups: remove some", os.fspath(database))


def _copy(old: str, new: str, at: int) -> None:
    with folder.opened(folder.new_file(new, at)) as target:
        try:
            with folder.opened(folder.open_file(old, at)) as source:
                while os.sendfile(target, source, None, 1 << 30):
                    pass
            os.fsync(target)
        except OSError:
            os.unlink(new, dir_fd=at)
            raise
