"""Take finished and abandoned runs from their spools into the database."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import StoreError
from tracer.identity import Identity, as_invoking_user
from tracer.store import location, locks, set_aside, shape
from tracer.store.spool import folder, spool, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

    Tell = Callable[[list[set_aside.SetAside]], None]


class Waiting(NamedTuple):
    """A run that is kept in a spool folder because it could not be taken in yet."""

    run_id: str
    folder: Path
    reason: str
    """One line: what is in the way, and what to do."""


class TakeInResult(NamedTuple):
    """What ``take_in`` did."""

    taken: tuple[str, ...] = ()
    """``run_id`` of each run that is in the database now and was not before."""
    waiting: tuple[Waiting, ...] = ()


def take_in(
    database: Path,
    queue_s: float = locks.QUEUE_S,
    foreign_s: float = locks.FOREIGN_S,
    ready: duckdb.DuckDBPyConnection | None = None,
    committed: Callable[[TakeInResult], None] = lambda _result: None,
    tell: Tell = set_aside.tell,
) -> TakeInResult:
    """Bring every run that waits for ``database`` into it; what cannot be, goes on waiting.

    That is: finished runs, and runs whose sbtrace died, as ``interrupted``. A run of a
    living sbtrace is left alone. Each comes in one transaction, once however often it is
    tried; then its spool is removed. Other sbtrace processes are waited for up to
    ``queue_s`` seconds, another program for ``foreign_s``; whoever holds the lock
    takes in the runs of those that wait, which then have nothing left to do. Nothing is
    raised for a database that cannot be written: the reason is in ``waiting``. Folders that
    hold no run that can be read are set aside, and given to ``tell``, which names them on stderr.
    ``ready``: DuckDB if the caller has it started already, from ``database.engine()``.
    ``committed`` is given the result as soon as it is certain, before the file is closed.
    """
    with as_invoking_user() as user:
        found = waiting.abandoned(database, user)
        if not found:
            return TakeInResult()

        def served() -> bool:
            return not any(item.path.exists() for item in found)

        try:
            with locks.exclusive(database, user, queue_s, foreign_s, served):
                return _take_in_all(database, user, ready, committed, tell)
        except locks.Served:
            return TakeInResult()
        except (locks.Busy, OSError, StoreError) as error:
            return _all_waiting(found, _reason(database, error))


def _take_in_all(
    database: Path,
    user: Identity,
    ready: duckdb.DuckDBPyConnection | None,
    committed: Callable[[TakeInResult], None],
    tell: Tell,
) -> TakeInResult:
    # Others may have taken in ours while we queued.
    found, unreadable = set_aside.sift(waiting.abandoned(database, user))
    tell(unreadable)
    if not found:
        return TakeInResult()
    try:
        with open_writer(database, user, ready) as connection:
            result = _take_in_each(database, connection, found, tell)
            committed(result)
        return result
    except (locks.Busy, OSError, StoreError) as error:
        # Closing may fail too; what was committed is known by its spool being gone.
        left = waiting.abandoned(database, user)
        return _all_waiting(left, _reason(database, error))


@contextmanager
def open_writer(
    database: Path, user: Identity, ready: duckdb.DuckDBPyConnection | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open ``database`` to write within ``locks.exclusive``; DuckDB's errors come as StoreError."""
    from tracer.store import database as files

    with as_store_error(database), files.writer(database, user, ready) as connection:
        yield connection


def upgrade(database: Path) -> None:
    """Bring ``database`` to the current schema version, after a backup. Raises StoreError."""
    with as_invoking_user() as user:
        try:
            location.check_own(database, user)
            with locks.exclusive(database, user), open_writer(database, user):
                pass
        except (locks.Busy, OSError) as error:
            raise StoreError(_reason(database, error)) from error


@contextmanager
def as_store_error(database: Path, done: str = "written") -> Iterator[None]:
    """Turn an error of DuckDB within the block into a StoreError of one line."""
    from tracer.store.engine import duckdb

    try:
        yield
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
        if isinstance(error, (duckdb.CatalogException, duckdb.BinderException)):
            reason = f"{reason.removesuffix('!')}: somebody altered its tables: {shape.REMEDY}"
        raise StoreError(f"{database}: cannot be {done}: {reason}") from error


def _take_in_each(
    database: Path, connection: duckdb.DuckDBPyConnection, found: list[waiting.Found], tell: Tell
) -> TakeInResult:
    from tracer.store import load

    taken: list[str] = []
    left: list[Waiting] = []
    damaged: list[tuple[waiting.Found, str]] = []
    for item in found:
        try:
            with ExitStack() as stack, as_store_error(database):
                claimed = item.claim(stack)
                if claimed is None:
                    continue
                if load.load_run(connection, claimed):
                    taken.append(item.run_id)
                with suppress(OSError):  # it is known by its run_id if it comes again
                    folder.remove(item.path.name, claimed.root, spool.DOOMED + item.run_id)
        except load.Damaged as error:
            damaged.append((item, str(error)))
        except (OSError, StoreError) as error:
            left.append(Waiting(item.run_id, item.path, _reason(database, error)))
    left += _set_aside(damaged, tell)
    return TakeInResult(tuple(taken), tuple(left))


def _set_aside(damaged: list[tuple[waiting.Found, str]], tell: Tell) -> list[Waiting]:
    """Set aside what the database will not take; return what could not be set aside."""
    left: list[Waiting] = []
    told: list[set_aside.SetAside] = []
    for item, reason in damaged:
        try:
            told.append(set_aside.set_aside(item, reason))
        except (OSError, StoreError):
            left.append(Waiting(item.run_id, item.path, reason))
    tell(told)
    return left


def _all_waiting(found: list[waiting.Found], reason: str) -> TakeInResult:
    return TakeInResult(waiting=tuple(Waiting(item.run_id, item.path, reason) for item in found))


def _reason(database: Path, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{database}: {error.strerror or error}: make it writable or use --db FILE"
    return str(error)
