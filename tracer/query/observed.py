"""What recorded runs did, call by call, over all of them together."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.profile.learn import Use
from tracer.query import runs as listing
from tracer.store.encode import decode_text
from tracer.syscalls import errno_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from tracer.store.reader import Reader
    from tracer.store.writer import Waiting


class Source(NamedTuple):
    """One run that something is learned from."""

    run_id: str
    started_at: datetime
    argv: tuple[str, ...]
    kernel: str
    exact: bool
    counted: bool
    """Whether eBPF counted it; if not, nothing is known of its calls."""
    blocked: int
    """Calls that a filter refused."""
    outcome: str
    capabilities: tuple[str, ...] | None
    """Those that the command began with; None: not recorded."""
    dropped: int
    """How many of sbtrace's caller's it began without."""


class Observed(NamedTuple):
    """Runs, the oldest first, and what they did."""

    sources: tuple[Source, ...]
    uses: tuple[Use, ...]
    """In no particular order."""
    waiting: tuple[Waiting, ...]


def observe(database: Path, refs: Sequence[str], wanted: listing.Filter | None) -> Observed:
    """The runs that ``refs`` name and those that pass the filter. Raises RunNotFound, StoreError.

    Runs that go on are left out.
    """
    with chosen(database, refs, wanted) as (reader, sources):
        counted = [source.run_id for source in sources if source.counted]
        return Observed(sources, tuple(_uses(reader, counted)), reader.waiting)


@contextmanager
def chosen(
    database: Path, refs: Sequence[str], wanted: listing.Filter | None
) -> Iterator[tuple[Reader, tuple[Source, ...]]]:
    """The runs that are meant, the oldest first, with the database that they are in."""
    from tracer.store.reader import Reader

    found = () if wanted is None else listing.list_runs(database, wanted).rows
    with Reader(database) as reader:
        ids = [reader.resolve(ref) for ref in refs]
        ids += [row[0] for row in found if row[3] != "running"]
        yield reader, _sources(reader, sorted(set(ids)))


def _sources(reader: Reader, ids: list[str]) -> tuple[Source, ...]:
    rows = reader.execute(
        "SELECT run_id, started_at, argv, kernel, coalesce(exact, false), trace = 'full',"
        " coalesce(blocked_syscalls, 0), outcome, capabilities,"
        " coalesce(len(dropped_capabilities), 0)"
        " FROM runs WHERE list_contains(?, run_id) ORDER BY started_at, run_id",
        [ids],
    )
    return tuple(_source(row) for row in rows)


def _source(row: Sequence[Any]) -> Source:
    run_id, started_at, argv, kernel, exact, counted, blocked, outcome, held, dropped = row
    words = tuple(decode_text(word) for word in argv)
    rights = None if held is None else tuple(held)
    return Source(
        run_id, started_at, words, kernel, exact, counted, blocked, outcome, rights, dropped
    )


_CALLS = """
    SELECT s.abi, s.nr, s.name, s.run_id, sum(s.calls)::BIGINT, sum(s.blocked)::BIGINT,
        coalesce(regexp_extract(p.executable, '[^/]*$'), p.comm, '?') AS program
    FROM syscalls AS s
    LEFT JOIN processes AS p USING (run_id, process_id, image)
    WHERE list_contains(?, s.run_id)
    GROUP BY ALL
    HAVING sum(s.calls) + sum(s.blocked) > 0
    ORDER BY 5 DESC, program, s.run_id
"""
_REFUSED = """
    SELECT abi, nr, errno, sum(count)::BIGINT
    FROM blocked_calls
    WHERE list_contains(?, run_id) AND action <> 'LOG'
    GROUP BY ALL
    ORDER BY 4 DESC
"""
_Key = tuple[str, int]


def _uses(reader: Reader, ids: list[str]) -> list[Use]:
    answers = _answers(reader.execute(_REFUSED, [ids]))
    rows: dict[_Key, list[Sequence[Any]]] = {}
    for row in reader.execute(_CALLS, [ids]):
        rows.setdefault((row[0], row[1]), []).append(row)
    return [_use(alike, answers.get(key, {})) for key, alike in rows.items()]


def _answers(rows: Sequence[Sequence[Any]]) -> Mapping[_Key, Mapping[int | None, int]]:
    found: dict[_Key, dict[int | None, int]] = {}
    for abi, nr, errno, count in rows:
        found.setdefault((abi, nr), {})[errno] = count
    return found


def _use(rows: Sequence[Sequence[Any]], answers: Mapping[int | None, int]) -> Use:
    abi, nr, name = rows[0][:3]
    blocked = sum(row[5] for row in rows)
    with_errno = sum(count for errno, count in answers.items() if errno is not None)
    return Use(
        abi=abi,
        nr=nr,
        name=name,
        runs=frozenset(row[3] for row in rows),
        calls=sum(row[4] for row in rows),
        programs=tuple(dict.fromkeys(decode_text(row[6]) for row in rows)),
        errnos=tuple(errno_name(errno) for errno in answers if errno is not None),
        deadly=blocked > with_errno,
    )
