"""The recorded runs of one command in their order, and what was measured of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import RunNotFound, UsageError
from tracer.query import runs as listing
from tracer.query import sides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer.query.sides import CallSums, Measured
    from tracer.store.intake import Waiting


class History(NamedTuple):
    """Runs, the oldest first, and those that are not in the database yet."""

    text: str
    """The command, as it was given."""
    runs: tuple[Measured, ...]
    """Never empty."""
    calls: tuple[CallSums | None, ...]
    """Of the syscall that was asked for, one for each run; None: the run was not counted. Empty
    where none was asked for."""
    waiting: tuple[Waiting, ...]


def load(database: Path, wanted: listing.Filter, syscall: str | None = None) -> History:
    """The runs that pass the filter, at most the newest ``wanted.limit``; those that go on are not.

    ``syscall``: its figures as well, all ABIs together. Raises RunNotFound, StoreError, and
    UsageError where no run made it.
    """
    from tracer.store.reader import Reader

    rows = listing.list_runs(database, replace(wanted, limit=None)).rows
    ended = [str(row[0]) for row in rows if row[3] != "running"][: wanted.limit]
    if not ended:
        raise RunNotFound(
            f"trend: no recorded run fits {wanted.command!r}: `sbtrace runs` lists those there are"
        )
    with Reader(database) as reader:
        runs = sides.measured(reader, ended)
        made = {} if syscall is None else dict(_calls(reader.execute(_CALLS, [ended, syscall])))
        if syscall is not None and not made:
            raise UsageError(
                f"--syscall {syscall}: none of these runs made such a call: `sbtrace show --by"
                " syscall` lists those of a run"
            )
        calls = [made.get(run.run_id, _NONE) if run.counted else None for run in runs]
        found = tuple(calls) if syscall is not None else ()
        return History(wanted.command or "", tuple(runs), found, reader.waiting)


_NONE = sides.CallSums(0, 0, 0, None, 0)
_CALLS = """
    SELECT run_id, sum(calls)::BIGINT, sum(errors)::BIGINT, sum(blocked)::BIGINT,
        sum(total_ns)::BIGINT, sum(calls - unfinished)::BIGINT
    FROM syscalls WHERE run_id IN (SELECT unnest(?::VARCHAR[])) AND name = ? GROUP BY run_id
"""


def _calls(rows: Sequence[Sequence[int]]) -> list[tuple[str, CallSums]]:
    return [(str(run_id), sides.CallSums(*sums)) for run_id, *sums in rows]
