"""Read recorded runs. Several readers work at once, beside runs that go on."""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self, get_args, get_type_hints

from tracer.errors import RunNotFound, StoreError
from tracer.identity import as_invoking_user
from tracer.model import (
    BlockedCall,
    Frame,
    Loss,
    Process,
    Run,
    RunRecord,
    Sample,
    SyscallError,
    SyscallStat,
)
from tracer.store import intake, locks, rows, schema, shape, undo
from tracer.store.location import check_readable
from tracer.store.spool.encode import decode_text, map_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import duckdb

_LAST = re.compile(r"last(?:~([0-9]{1,9}))?")
_TAKE_IN_FOREIGN_S = 0.1
# What each table's rows come back in: the order in which they were made.
_ORDER = {
    "processes": "process_id, image",
    "syscalls": "process_id, image, thread_id, abi, nr",
    "syscall_errors": "process_id, image, thread_id, abi, nr, errno",
    "blocked_calls": "at_ns, thread_id, nr",
    "samples": "at_ns, pid",
    "losses": "collector, kind",
}
_KINDS: Mapping[str, type[NamedTuple]] = {
    "processes": Process,
    "syscalls": SyscallStat,
    "syscall_errors": SyscallError,
    "blocked_calls": BlockedCall,
    "samples": Sample,
    "losses": Loss,
}


_CALLERS = """
    SELECT s.abi, s.name, p.comm, p.executable, p.argv, p.argv_truncated
    FROM syscalls s JOIN processes p USING (run_id, process_id, image)
    WHERE s.run_id = ? AND list_contains(?, s.name)
    GROUP BY ALL ORDER BY min(p.process_id), min(p.image) LIMIT 10000
"""


class _TooOld(Exception):
    """The database is of an older schema version."""


class _CutOff(Exception):
    """Who wrote the database last was killed over it."""


class Reader:
    """The database, open to read, after what waited for it was taken in. A context manager.

    Entering it raises StoreError if there is no database, or another program has it open
    to write: the message says who, and what to do.
    """

    def __init__(
        self,
        database: Path,
        config: Mapping[str, str] | None = None,
        confine: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
        *,
        as_made: bool = True,
    ) -> None:
        """``config``: further DuckDB settings.

        ``confine``: called before anything is read, in place of ``database.confine``.
        ``as_made``: StoreError on entry if somebody altered the tables.
        """
        self._database = database
        self._config = config or {}
        self._confine = confine
        self._as_made = as_made
        self._stack = ExitStack()
        self.waiting: tuple[intake.Waiting, ...] = ()
        """Runs that could not be taken in, and so are not seen here."""

    def __enter__(self) -> Self:
        self.waiting = intake.take_in(self._database, foreign_s=_TAKE_IN_FOREIGN_S).waiting
        try:
            self._enter_settled()
        except locks.Busy as error:
            raise StoreError(str(error)) from error
        return self

    def _enter_settled(self, *, tried: bool = False) -> None:
        """Enter, and have the database mended or upgraded first if it must be."""
        try:
            self._enter(tried=tried)
        except _CutOff:
            with suppress(StoreError):  # perhaps it can be read all the same
                intake.upgrade(self._database)
            self._enter_settled(tried=True)
        except _TooOld:
            intake.upgrade(self._database)
            self._enter(tried=True)

    def _enter(self, *, tried: bool) -> None:
        with ExitStack() as stack:
            self._open(stack, tried=tried)
            self._stack = stack.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _open(self, stack: ExitStack, *, tried: bool) -> None:
        from tracer.store import database as files

        user = stack.enter_context(as_invoking_user())
        owner = self._owner()
        # Who may only read somebody's database cannot stand in its queue.
        with suppress(OSError, StoreError):
            stack.enter_context(locks.shared(self._database, user, make=owner == user.uid))
            if owner == user.uid and not tried and undo.is_left(self._database):
                raise _CutOff
        self._connection = stack.enter_context(files.reader(self._database, self._config))
        (self._confine or files.confine)(self._connection)
        with intake.as_store_error(self._database, "read"):
            if owner != user.uid:
                schema.require_tables(self._connection, self._database)
            found = schema.version(self._connection)
        if schema.check(found, self._database):
            raise _TooOld(found)
        if self._as_made:
            self.require_shape()

    def require_shape(self) -> None:
        """Raise StoreError unless the tables are as sbtrace made them."""
        with intake.as_store_error(self._database, "read"):
            shape.require(self._connection, self._database)

    def require_views(self) -> None:
        """Raise StoreError unless the views are there, which saved queries read."""
        with intake.as_store_error(self._database, "read"):
            shape.require_views(self._connection, self._database)

    def _owner(self) -> int:
        try:
            return check_readable(self._database)
        except FileNotFoundError as error:
            why = self.waiting[0].reason if self.waiting else "`sbtrace run COMMAND` makes it"
            raise StoreError(f"{self._database}: no database there yet: {why}") from error
        except OSError as error:
            raise StoreError(f"{self._database}: cannot be read: {error.strerror}") from error

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The open DuckDB connection."""
        return self._connection

    def execute(self, sql: str, params: Mapping[str, object] | Sequence[object] = ()) -> list[Any]:
        """Run one statement and return all its rows. Raises StoreError."""
        with intake.as_store_error(self._database, "read"):
            return list(rows.select(self._connection, sql, params))

    def resolve(self, ref: str) -> str:
        """Return the run_id for ``last``, ``last~N`` or a unique prefix. Raises RunNotFound."""
        if last := _LAST.fullmatch(ref):
            found = self.execute(
                "SELECT run_id FROM runs ORDER BY started_at DESC, run_id LIMIT 1 OFFSET ?",
                [int(last.group(1) or 0)],
            )
            if not found:
                count = self.execute("SELECT count(*) FROM runs")[0][0]
                raise RunNotFound(f"run {ref}: only {count} recorded: `sbtrace runs` lists them")
        else:
            found = self.execute(
                "SELECT run_id FROM runs WHERE ? <> '' AND starts_with(run_id, lower(?))"
                " ORDER BY run_id LIMIT 5",
                [ref, ref],
            )
        if len(found) == 1:
            return str(found[0][0])
        if found:
            some = ", ".join(row[0] for row in found)
            raise RunNotFound(f"run {ref!r} is ambiguous ({some}): give more of its digits")
        raise RunNotFound(f"run {ref!r} is not recorded: `sbtrace runs` lists those that are")

    def load(self, ref: str) -> RunRecord:
        """Return all that is recorded of the run ``ref``, as it was given to the spool."""
        run_id = self.resolve(ref)
        run = self._records(Run, "runs", run_id, "run_id")[0]
        rest = {
            table: tuple(self._records(_KINDS[table], table, run_id, order))
            for table, order in _ORDER.items()
        }
        return RunRecord(run=run, **rest)

    def processes(self, run_id: str) -> tuple[Process, ...]:
        """Return every image of every process of a run. Raises StoreError."""
        return tuple(self._records(Process, "processes", run_id, _ORDER["processes"]))

    def callers(self, run_id: str, names: Sequence[str]) -> dict[tuple[str, str], list[Process]]:
        """Return which programs made a call, by ABI and name: each command once, the first first.

        Blocked calls count as well. The records of the programs hold only what names them.
        """
        rows = self.execute(_CALLERS, [run_id, list(names)])
        found: dict[tuple[str, str], list[Process]] = {}
        for abi, name, *process in rows:
            found.setdefault((abi, name), []).append(named(process))
        return found

    def _records(self, kind: type[NamedTuple], table: str, run_id: str, order: str) -> list[Any]:
        names = kind._fields
        quoted = ", ".join(f'"{name}"' for name in names)
        found = self.execute(
            f"SELECT {quoted} FROM {table} WHERE run_id = ? ORDER BY {order}",  # noqa: S608 - names of ours
            [run_id],
        )
        hints = get_type_hints(kind)
        change = [_from_column(hints[name]) for name in names]
        return [kind(*(f(v) for f, v in zip(change, row, strict=True))) for row in found]


def named(columns: Sequence[Any]) -> Process:
    """Return a program of which only that is known which names it: the columns ``comm``,
    ``executable``, ``argv`` and ``argv_truncated``."""
    comm, executable, argv, cut = map(_decoded, columns)
    return Process(0, 0, 0, None, None, comm, executable, argv, bool(cut), 0, None, None, None)  # type: ignore[arg-type] # texts of columns


def _from_column(hint: object) -> Callable[[Any], Any]:
    """Return what makes a field of type ``hint`` of a column's value."""
    kinds = {hint, *get_args(hint)}
    if Frame in get_args(hint):
        return lambda value: tuple(Frame(**map_text(item, decode_text)) for item in value)
    if hint == tuple[int, ...]:
        return tuple
    if hint is str:
        return decode_text
    if kinds & {int, float, bool}:
        return lambda value: value
    return _decoded


def _decoded(value: object) -> object:
    value = map_text(value, decode_text)
    return tuple(value) if isinstance(value, list) else value
