"""A run on disk as it goes: a folder of its own that needs no lock on the database.

``<database>.spool/<run_id>/`` holds

- ``lock``: held with flock(2) while the sbtrace of the run lives, whatever its pid;
- ``<table>.jsonl``: appended to, one row a line: samples, and what became final;
- ``<table>.<n>.jsonl``: what was not final yet in snapshot n, which replaces that of n-1;
- ``run.json``: the row of ``runs``, ``snapshot`` (the n that counts), ``final`` (bytes of each
  appended table that were there at that snapshot) and ``finished``. It is
  replaced last, so that a snapshot is there as a whole or not at all.

Where the folder fails (disk full, read-only, removed) the spool moves to the first of
``location.fallback_roots`` that works, with all it holds.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

from tracer.errors import StoreError
from tracer.identity import Identity, as_invoking_user
from tracer.model import Argument, BlockedCall, Loss, Process, Sample, SyscallError, SyscallStat
from tracer.store.location import fallback_roots, spool_root
from tracer.store.spool import folder
from tracer.store.spool.encode import json_lines, json_object
from tracer.store.spool.row_file import RowFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer.model import Run, RunRecord

FORMAT = 2
"""Version of the folder's layout, in ``run.json``."""
COUNTED: dict[str, type[NamedTuple]] = {
    "processes": Process,
    "syscalls": SyscallStat,
    "syscall_errors": SyscallError,
    "blocked_calls": BlockedCall,
    "losses": Loss,
}
"""Table (and field of RunRecord) -> its record, for what each snapshot replaces."""
FINAL: dict[str, type[NamedTuple]] = {
    "processes": Process,
    "syscalls": SyscallStat,
    "syscall_errors": SyscallError,
    "arguments": Argument,
}
"""Tables whose rows may become final while the run goes on; those of ``arguments`` are at once."""
LOGGED: dict[str, type[NamedTuple]] = {"samples": Sample, **FINAL}
"""Every table that is appended to."""
RUN = "run.json"
LOCK = "lock"
BUILDING = ".new-"
"""Prefix of a folder that is not whole yet."""
DOOMED = ".old-"
"""Prefix of a folder that is being removed: its run is kept elsewhere."""


class _Place(NamedTuple):
    """The open folder of a spool and its open files."""

    root: int
    inner: int
    lock: int
    logs: dict[str, RowFile]
    path: Path

    def close(self, *, but_lock: bool = False) -> None:
        for log in self.logs.values():
            log.close()
        os.close(self.inner)
        os.close(self.root)
        if not but_lock:
            os.close(self.lock)


class Spool:
    """The spool of one running run. Use ``Spool.create``; every method may raise StoreError,

    which then says that the run cannot be kept anywhere, and why. The session prints it and
    goes on: the target is not to suffer from it.
    """

    def __init__(self, database: Path, run: Run, place: _Place, trouble: str | None) -> None:
        self._database = database
        self._run = run
        self._place = place
        self._snapshot = 0
        self._left: list[int] = []
        self._held = True
        self.trouble = trouble
        """Why the run is not kept beside the database but in ``folder``; None if it is."""

    @classmethod
    def create(cls, database: Path, run: Run) -> Self:
        """Make the spool of ``run``: from now on, it survives sbtrace. Raises StoreError."""
        problems: list[str] = []
        with as_invoking_user() as user:
            place = _first_place(database, run, user, problems)
        return cls(database, run, place, "; ".join(problems) or None)

    @property
    def folder(self) -> Path:
        """Where the run is kept now."""
        return self._place.path

    def add_samples(self, samples: Sequence[Sample]) -> None:
        """Append samples. They survive the death of sbtrace at once, a power cut at a snapshot."""
        self._keep(lambda: self._place.logs["samples"].append(samples))

    def add_final(self, table: str, rows: Sequence[NamedTuple]) -> None:
        """Append rows of one of ``FINAL`` that will not change; no snapshot repeats them."""
        if rows:
            self._keep(lambda: self._place.logs[table].append(rows))

    def snapshot(self, record: RunRecord) -> None:
        """Replace what was not final, and the run's row, by those of ``record``, as a whole.

        ``record.samples`` is not looked at: they came through ``add_samples``, as rows that
        are final came through ``add_final``. It returns when everything is on the disk.
        """
        self._keep(lambda: self._replace(record, finished=False))

    def finish(self, record: RunRecord) -> None:
        """Keep the final ``record`` and let go of the folder: it waits to be taken in."""
        self._keep(lambda: self._replace(record, finished=True))
        self.let_go()

    def let_go(self) -> None:
        """Leave the folder to be taken in as it stands; nothing can be added after that."""
        if self._held:
            self._held = False
            self._place.close()
            for lock in self._left:
                os.close(lock)

    def _keep(self, action: Callable[[], None]) -> None:
        """Do ``action``, in another place if this one fails."""
        with as_invoking_user() as user:
            try:
                action()
            except OSError as error:
                self._move(user, error)
                action()

    def _replace(self, record: RunRecord, *, finished: bool) -> None:
        at, number = self._place.inner, self._snapshot + 1
        for table, kind in COUNTED.items():
            if rows := getattr(record, table):
                folder.replace_file(f"{table}.{number}.jsonl", at, json_lines(kind, rows))
        for log in self._place.logs.values():
            log.sync()
        final = {table: self._place.logs[table].size for table in FINAL}
        _write_run(at, record.run, self._database, number, final, finished=finished)
        os.fsync(at)
        os.fsync(self._place.root)
        self._run, self._snapshot = record.run, number
        for table in COUNTED:
            with suppress(FileNotFoundError):
                os.unlink(f"{table}.{number - 1}.jsonl", dir_fd=at)

    def _move(self, user: Identity, error: OSError) -> None:
        """Carry on in the next place that works, with what is here. Raises StoreError."""
        old = self._place
        problems = [f"{old.path.parent}: {error.strerror or error}"]
        place = _first_place(self._database, self._run, user, problems, avoid=old.path.parent)
        try:
            self._copy(old, place)
        except OSError as second:
            problems.append(f"{place.path.parent}: {second.strerror or second}")
            place.close()
            raise _nowhere(self._run, problems) from second
        with suppress(OSError):
            folder.remove(old.path.name, old.root, DOOMED + old.path.name)
        old.close(but_lock=True)
        # A folder that could not be removed must not be taken for a dead run meanwhile.
        self._left.append(old.lock)
        self._place, self.trouble = place, "; ".join(problems)

    def _copy(self, old: _Place, new: _Place) -> None:
        for table, log in old.logs.items():
            new.logs[table].copy_from(log)
        for name in [f"{table}.{self._snapshot}.jsonl" for table in COUNTED] + [RUN]:
            with suppress(FileNotFoundError):
                text = folder.read_file(name, old.inner).decode()
                folder.replace_file(name, new.inner, [text])


def _first_place(
    database: Path, run: Run, user: Identity, problems: list[str], avoid: Path | None = None
) -> _Place:
    """Make the run's folder in the first root that works; say in ``problems`` which did not."""
    for root in (spool_root(database), *fallback_roots(database, user)):
        if root == avoid:
            continue
        try:
            if root != spool_root(database):
                os.close(folder.open_private(root.parent, user))
            return _make(root, database, run, user)
        except (OSError, StoreError) as error:
            reason = error.strerror or error if isinstance(error, OSError) else error
            problems.append(f"{root}: {reason}")
    raise _nowhere(run, problems)


def _nowhere(run: Run, problems: Sequence[str]) -> StoreError:
    return StoreError(
        f"run {run.run_id} cannot be kept: {'; '.join(problems)}: free some space or use --db FILE"
    )


def _make(root: Path, database: Path, run: Run, user: Identity) -> _Place:
    """Make a whole folder under another name, then rename it: nobody meets half of one."""
    building = BUILDING + run.run_id
    opened: list[int] = []
    try:
        opened.append(top := folder.open_private(root, user))
        os.mkdir(building, 0o700, dir_fd=top)
        opened.append(inner := folder.open_subfolder(building, top))
        opened.append(lock := folder.new_file(LOCK, inner))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        logs = {table: RowFile.create(table, kind, inner) for table, kind in LOGGED.items()}
        _write_run(inner, run, database, 0, dict.fromkeys(FINAL, 0), finished=False)
        os.rename(building, run.run_id, src_dir_fd=top, dst_dir_fd=top)
    except BaseException:
        if opened:
            with suppress(OSError):
                folder.remove(building, opened[0], DOOMED + run.run_id)
        for descriptor in opened:
            os.close(descriptor)
        raise
    return _Place(top, inner, lock, logs, root / run.run_id)


def _write_run(
    at: int, run: Run, database: Path, snapshot: int, final: dict[str, int], *, finished: bool
) -> None:
    head = {
        "format": FORMAT,
        "database": os.fspath(database),
        "snapshot": snapshot,
        "final": final,
        "finished": finished,
    }
    text = json_object(head)[:-1] + ',"run":' + json_object(run) + "}\n"
    folder.replace_file(RUN, at, [text], sync=snapshot > 0)
