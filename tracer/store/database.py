"""Open the database file: to write (made or migrated where needed) or to read."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from tracer.errors import StoreError
from tracer.store import schema, undo
from tracer.store.engine import duckdb
from tracer.store.location import check_own, spool_root
from tracer.store.locks import Busy, describe
from tracer.store.spool.folder import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tracer.identity import Identity

_UMASK = 0o077
STORAGE = "v1.0.0"
"""Of DuckDB's file formats the oldest that the tables need, so that older releases read them:
the newest command line may be older than the newest package."""
SPILLED = ".spilled"
"""Folder within the spool for what does not fit into DuckDB's memory."""
_CONFIG: Mapping[str, str] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_OWN_CHECKPOINTS: Mapping[str, str] = {"wal_autocheckpoint": "1TB"}
_NO_LAST_CHECKPOINT = "PRAGMA disable_checkpoint_on_shutdown"
"""With these DuckDB makes no checkpoint by itself, and none when it closes a file: see ``undo``."""


def engine() -> duckdb.DuckDBPyConnection:
    """Start DuckDB without a file, for ``writer``, before there is anything to write.

    It has one thread: a small run has no work for more, which take time to start. Others
    have the rights that the thread has which asks for them: setfsuid(2).
    """
    try:
        started = _in_memory(threads="1", async_threads="0")
    except duckdb.InvalidInputException:  # a release that has no such threads
        started = _in_memory(threads="1")
    started.execute("SET TimeZone = 'UTC'")
    # Loading a run is a dozen plain statements: there is nothing to optimize.
    started.execute("PRAGMA disable_optimizer")
    started.execute(_NO_LAST_CHECKPOINT)
    return started


def _in_memory(**settings: str) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:", config={**_CONFIG, **_OWN_CHECKPOINTS, "temp_directory": "", **settings}
    )


@contextmanager
def writer(
    database: Path, user: Identity, ready: duckdb.DuckDBPyConnection | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open ``database`` to write, at the current schema version; it is made if it is missing.

    ``ready``: from ``engine()``; it can be used again afterwards. The caller holds
    ``locks.exclusive``. Raises Busy, StoreError, OSError.
    """
    check_own(database, user)
    before = os.umask(_UMASK)  # DuckDB makes its files with 0666 less the umask
    try:
        if not database.exists():
            undo.forget(database)
            _make(database)
        with ExitStack() as stack:
            checkpoints = stack.enter_context(undo.opened(database, user))
            started = ready or stack.enter_context(engine())
            with _attached(started, database):
                found = schema.version(started)
                if not schema.check(found, database):
                    yield started
                    _settle(started, checkpoints)
                    return
                checkpoints.checkpoint(started)
            _migrate(database, found, checkpoints)
            with _attached(started, database):
                yield started
                _settle(started, checkpoints)
    finally:
        os.umask(before)


def _settle(connection: duckdb.DuckDBPyConnection, checkpoints: undo.Undo) -> None:
    """Bring what was written from the log into the file, so that DuckDB itself finds one file.

    Without room to do that safely the log stays: what is in it is recorded too.
    """
    with suppress(OSError):
        checkpoints.checkpoint(connection)


@contextmanager
def reader(database: Path, config: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open ``database`` to read only, with further DuckDB settings. Raises Busy, StoreError."""
    with _connect(database, read_only=True, config=config) as connection:
        yield connection


def confine(connection: duckdb.DuckDBPyConnection, *files: str) -> None:
    """Let ``connection`` reach nothing but the databases it has open, and ``files``, for good.

    Views, macros and defaults of a database are SQL of whoever made it, and run as soon as it is
    read.
    """
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET allowed_paths = ?", [list(files)])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def fresh(building: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Make a new, empty database of sbtrace and open it to write."""
    _forget(building)
    before = os.umask(_UMASK)
    try:
        with _connect(building, config={"storage_compatibility_version": STORAGE}) as connection:
            schema.create(connection)
            yield connection
            # Closed, it would do so too, but say nothing where the disk is full: then the file is
            # empty, and what was written stays in a log that nobody moves along with it.
            connection.execute("CHECKPOINT")
    except BaseException:
        _forget(building)
        raise
    finally:
        os.umask(before)


def attach(connection: duckdb.DuckDBPyConnection, database: Path, name: str) -> None:
    """Attach another database to read, as ``name``."""
    connection.execute(f"ATTACH {_quoted(database)} AS {name} (READ_ONLY)")


def put(building: Path, database: Path) -> None:
    """Put the closed database ``building`` in the place of ``database``, whole and durable."""
    with opened(os.open(building, os.O_RDONLY | os.O_CLOEXEC)) as file:
        os.fsync(file)
    building.rename(database)
    _sync_folder(database)


def _make(database: Path) -> None:
    """Make a whole database elsewhere, then link it into place: nobody meets half of one."""
    building = spool_root(database) / f".new-{os.getpid()}.duckdb"
    try:
        with fresh(building):
            pass
        try:
            os.link(building, database)
        except PermissionError:  # a file system without hard links, such as vfat
            building.rename(database)
    finally:
        _forget(building)
    _sync_folder(database)


def _sync_folder(database: Path) -> None:
    with opened(os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)) as parent:
        os.fsync(parent)


def _forget(building: Path) -> None:
    for path in (building, building.with_name(building.name + ".wal")):
        with suppress(FileNotFoundError):
            path.unlink()


def _migrate(database: Path, found: int | None, checkpoints: undo.Undo) -> None:
    """Migrate an older database after a copy was put beside it. Raises StoreError, OSError."""
    assert found is not None  # noqa: S101 - schema.check refuses None
    schema.back_up(database, found)
    with _connect(database, config=_OWN_CHECKPOINTS) as connection:
        connection.execute(_NO_LAST_CHECKPOINT)
        schema.migrate(connection, found)
        _settle(connection, checkpoints)


@contextmanager
def _attached(started: duckdb.DuckDBPyConnection, database: Path) -> Iterator[None]:
    """Let names without a database mean those of ``database``."""
    try:
        started.execute(f"ATTACH {_quoted(database)} AS sbtrace")
    except duckdb.Error as error:
        raise _translated(database, error) from error
    try:
        started.execute("USE sbtrace")
        # On the same disk, where nobody else can go; DuckDB's own choice is the cwd.
        spilled = spool_root(database) / SPILLED
        started.execute(f"SET temp_directory = {_quoted(spilled)}")
        yield
    except BaseException:
        with suppress(duckdb.Error):  # else what is said is that its transaction was aborted
            started.execute("ROLLBACK")
        raise
    finally:
        started.execute("USE memory")
        started.execute("DETACH sbtrace")


def _quoted(path: Path) -> str:
    return "'" + os.fspath(path).replace("'", "''") + "'"


@contextmanager
def _connect(
    database: Path, *, read_only: bool = False, config: Mapping[str, str] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        connection = duckdb.connect(
            os.fspath(database), read_only=read_only, config={**_CONFIG, **(config or {})}
        )
    except duckdb.Error as error:
        raise _translated(database, error) from error
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _translated(database: Path, error: duckdb.Error) -> Exception:
    text = str(error).partition("\n")[0]
    if "Could not set lock" in text:
        _, _, tail = text.partition("(PID ")
        pid = tail.partition(")")[0]
        who = describe(int(pid) if pid.isdigit() else 0)
        return Busy(f"{database}: in use by {who}: close it there, or try again later")
    reason = text.removeprefix("IO Error: ").replace(f' "{database}"', "").rstrip(".! ")
    return StoreError(
        f"{database}: cannot be opened: {reason}: move it away and the next run makes a new one,"
        " or name another with --db FILE"
    )
