"""SQL that a person typed, run where it can do nothing but read this one database.

Two guards, each enough alone: only statements that give rows are run, and the connection
is read-only, without files, network, extensions or Python variables, its settings locked.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from tracer.errors import QueryError
from tracer.store import database as files
from tracer.store.reader import Reader
from tracer.store.rows import Rows, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_REFUSED = (
    "refused: a query only reads this database (SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE,"
    " SHOW, EXPLAIN)"
)


@contextmanager
def guarded_reader(database: Path, *, memory: str, exports: Path | None = None) -> Iterator[Reader]:
    """Open ``database`` for SQL that is not trusted, with at most ``memory`` (such as ``1GB``).

    ``exports``: the one folder that ``write_parquet`` may write to. Raises StoreError, and
    QueryError for a memory limit that makes no sense.
    """
    config = {"temp_directory": "", "allow_community_extensions": "false"}

    def confine(connection: duckdb.DuckDBPyConnection) -> None:
        try:
            connection.execute("SET memory_limit = ?", [memory])
        except duckdb.Error as error:
            raise QueryError(
                f"--memory {memory!r}: {_one_line(error)}: give it as 500MB"
            ) from error
        connection.execute("SET enable_progress_bar = false")
        if exports is not None:
            connection.execute("SET allowed_directories = ?", [[os.fspath(exports) + "/"]])
        files.confine(connection)

    with Reader(database, config, confine) as reader:
        yield reader


def check(sql: str) -> set[str]:
    """Return the names of the parameters of ``sql``. Raises QueryError unless it only reads."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError("query: the SQL is not valid UTF-8: mend its encoding") from error
    try:
        statements = duckdb.extract_statements(sql)
    except (duckdb.Error, ValueError) as error:
        raise QueryError(f"query: {_one_line(error)}") from error
    if len(statements) != 1:
        raise QueryError(f"query: {len(statements)} statements: give exactly one")
    if statements[0].type not in _ALLOWED:
        raise QueryError(f"query: {statements[0].type.name} is {_REFUSED}")
    return set(statements[0].named_parameters)


@contextmanager
def running(reader: Reader, timeout_s: float | None) -> Iterator[None]:
    """Bound what runs within the block to ``timeout_s``, and say its errors in one line.

    Raises QueryError for an error in SQL, a refusal, too little memory, or the timeout;
    KeyboardInterrupt for Ctrl-C.
    """
    late = threading.Event()

    def stop() -> None:
        late.set()
        reader.connection.interrupt()

    timer = threading.Timer(timeout_s, stop) if timeout_s is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        with _ctrl_c(reader):
            yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.InterruptException) and not late.is_set():
            raise KeyboardInterrupt from error
        raise _translated(error, timeout_s) from error
    except RuntimeError as error:
        # DuckDB looks at Python's signals by itself, too, and may be first to see Ctrl-C.
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error
    finally:
        if timer is not None:
            timer.cancel()


@contextmanager
def _ctrl_c(reader: Reader) -> Iterator[None]:
    """Let SIGINT interrupt DuckDB, which does not return to Python's own handler by itself.

    Python writes the number of each signal to the wake-up descriptor at once, whatever the
    main thread is in; another thread waits for that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set it, and only there a signal becomes an exception
        return
    waits, wakes = os.pipe()
    os.set_blocking(wakes, False)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def watch() -> None:
        while data := os.read(waits, 16):
            if signal.SIGINT in data:
                reader.connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(wakes)
        watcher.join()
        os.close(waits)


def rows(reader: Reader, sql: str, params: Mapping[str, object] | Sequence[object]) -> Rows:
    """Run ``sql`` within ``running``; so must be what iterates over the rows."""
    check(sql)
    return select(reader.connection, sql, params)


def write_parquet(reader: Reader, sql: str, params: Mapping[str, Any], file: Path) -> None:
    """Run ``sql`` within ``running`` into ``file``, which lies in the folder for exports."""
    check(sql)
    reader.connection.sql(sql, params=params or None).write_parquet(os.fspath(file))


def _translated(error: duckdb.Error, timeout_s: float | None) -> QueryError:
    if isinstance(error, duckdb.InterruptException):
        return QueryError(f"query: stopped after {timeout_s:g} s: raise --timeout")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("query: it needs more memory than allowed: raise --memory")
    if isinstance(error, duckdb.PermissionException) or "read-only mode" in str(error):
        return QueryError(f"query: {_one_line(error)}: {_REFUSED}")
    return QueryError(f"query: {_one_line(error)}")


def _one_line(error: BaseException) -> str:
    """Return the message with its hints and the place in the SQL, as one line."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " | ".join(line for line in lines if line and set(line) != {"^"})
