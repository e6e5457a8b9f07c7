"""Look after the database: what is in it, make it small, take runs out of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tracer.errors import StoreError, UsageError
from tracer.identity import Identity, as_invoking_user
from tracer.store import intake, locks, schema, set_aside
from tracer.store.location import check_own, spool_root
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUEUE_S = 60.0
"""How long maintenance waits for other sbtrace processes: rather long than in vain."""


@dataclass(frozen=True, slots=True)
class Info:
    """What the database holds."""

    path: Path
    size_bytes: int
    schema_version: int
    rows: dict[str, int]
    """Table -> rows."""
    first: datetime | None
    """Start of the earliest run; None without runs."""
    last: datetime | None
    waiting: tuple[intake.Waiting, ...]
    """Runs that are recorded but could not be taken in yet."""
    set_aside: tuple[Path, ...]
    """Folders that hold no run that can be read: no verb looks at them."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Runs that were taken out, or would be."""

    runs: tuple[tuple[Any, ...], ...]
    """(run_id, started_at, argv) each, oldest first."""
    kept: int


def info(database: Path) -> Info:
    """Return what ``database`` holds. Raises StoreError."""
    with Reader(database) as reader:
        rows = {
            table: int(reader.execute(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - a table of ours
            for table in schema.TABLES
        }
        first, last = reader.execute("SELECT min(started_at), max(started_at) FROM runs")[0]
        version = schema.version(reader.connection) or 0
        size = database.stat().st_size
        with as_invoking_user() as user:
            unreadable = set_aside.kept(database, user)
        return Info(database, size, version, rows, first, last, reader.waiting, unreadable)


def vacuum(database: Path, progress: Callable[[str], None]) -> tuple[int, int]:
    """Rewrite the database without the room that deleted runs left.

    Returns its size in bytes before and after. Raises StoreError; then it is as it was.
    """
    from tracer.store import database as files

    intake.take_in(database, QUEUE_S)
    with alone(database) as user:
        before = database.stat().st_size
        with intake.open_writer(database, user):
            pass  # checked, migrated, and its write-ahead log is empty once it is closed
        fresh = spool_root(database) / ".vacuum.duckdb"
        with intake.as_store_error(database), files.fresh(fresh) as connection:
            files.attach(connection, database, "old")
            for table in schema.TABLES:
                progress(f"copying {table}")
                connection.execute(f"INSERT INTO {table} BY NAME FROM old.{table}")
            connection.execute("DETACH old")
        files.put(fresh, database)
        return before, database.stat().st_size


def prune(
    database: Path, older_than: timedelta | None, keep: int | None, *, dry_run: bool
) -> Pruned:
    """Take out the runs older than ``older_than``, but never the ``keep`` newest.

    With ``keep`` alone, all but the ``keep`` newest go. ``dry_run`` takes none out and says
    which it would be. Raises UsageError if neither is given, and StoreError.
    """
    if older_than is None and keep is None:
        raise UsageError("db prune: say which runs go: --older-than 30d, --keep 100, or both")
    chosen = """
        SELECT run_id, started_at, argv
        FROM (SELECT *, row_number() OVER (ORDER BY started_at DESC, run_id) AS place FROM runs)
        WHERE place > $keep AND ($before IS NULL OR started_at < $before::TIMESTAMPTZ)
        ORDER BY started_at, run_id
    """
    before = None if older_than is None else (datetime.now(UTC) - older_than).isoformat()
    with Reader(database) as reader:
        runs = tuple(reader.execute(chosen, {"keep": keep or 0, "before": before}))
        total = int(reader.execute("SELECT count(*) FROM runs")[0][0])
    if runs and not dry_run:
        _delete(database, [run[0] for run in runs])
    return Pruned(runs, total - len(runs))


def _delete(database: Path, run_ids: list[str]) -> None:
    with alone(database) as user, intake.open_writer(database, user) as connection:
        connection.execute("BEGIN")
        for table in reversed(schema.TABLES):
            connection.execute(
                f"DELETE FROM {table} WHERE run_id IN (SELECT unnest(?))",  # noqa: S608 - a table of ours
                [run_ids],
            )
        connection.execute("COMMIT")


@contextmanager
def alone(database: Path) -> Iterator[Identity]:
    """Hold ``database`` for writing. Raises StoreError where it cannot be had."""
    with as_invoking_user() as user:
        if not database.parent.is_dir():
            raise StoreError(f"{database.parent}: no such folder: name another with --db FILE")
        try:
            check_own(database, user)  # before a folder for locks is made beside it
            with locks.exclusive(database, user, QUEUE_S):
                yield user
        except locks.Busy as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(f"{database}: {reason}: use --db FILE") from error
