"""The calls of recorded runs, by run, process image and syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.query.observed import Source, chosen
from tracer.store.encode import decode_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tracer.query.runs import Filter
    from tracer.store.reader import Reader

    Known = Mapping[int, int]
    """Argument -> register."""
    _Key = tuple[str, int, int, str, int]


class Made(NamedTuple):
    """What one image of one process did with one syscall."""

    run_id: str
    process_id: int
    pid: int
    image: int
    program: str
    abi: str
    nr: int
    name: str
    calls: int
    """Those that a filter refused, too."""
    known: tuple[Known, ...] = ()
    """Each distinct way in which it was called, as far as that is known."""
    complete: bool = False
    """Whether ``known`` has every way."""


class Recorded(NamedTuple):
    """Runs, the oldest first, and their calls."""

    sources: tuple[Source, ...]
    calls: tuple[Made, ...]


def recorded(database: Path, refs: Sequence[str], wanted: Filter | None) -> Recorded:
    """The calls of the runs that are meant. Raises RunNotFound, StoreError."""
    with chosen(database, refs, wanted) as (reader, sources):
        counted = [source.run_id for source in sources if source.counted]
        return Recorded(sources, tuple(_calls(reader, counted)))


_CALLS = """
    SELECT s.run_id, s.process_id, s.pid, s.image,
        coalesce(regexp_extract(p.executable, '[^/]*$'), p.comm, '?') AS program,
        s.abi, s.nr, s.name, sum(s.calls)::BIGINT AS taken, sum(s.blocked)::BIGINT AS blocked
    FROM syscalls AS s
    LEFT JOIN processes AS p USING (run_id, process_id, image)
    WHERE list_contains(?, s.run_id)
    GROUP BY ALL
    HAVING taken + blocked > 0
    ORDER BY s.run_id, s.process_id, s.image, s.abi, s.name
"""
_REFUSED = """
    SELECT run_id, process_id, image, abi, nr, args, sum(count)::BIGINT
    FROM blocked_calls
    WHERE list_contains(?, run_id) AND action <> 'LOG'
    GROUP BY ALL
"""


def _calls(reader: Reader, ids: list[str]) -> list[Made]:
    refused: dict[_Key, list[tuple[Known, int]]] = {}
    for row in reader.execute(_REFUSED, [ids]):
        run_id, process_id, image, abi, nr, args, count = row
        known = dict(enumerate(args))
        refused.setdefault((run_id, process_id, image, abi, nr), []).append((known, count))
    return [_made(row, refused) for row in reader.execute(_CALLS, [ids])]


def _made(row: Sequence[Any], refused: Mapping[_Key, list[tuple[Known, int]]]) -> Made:
    run_id, process_id, pid, image, program, abi, nr, name, taken, blocked = row
    told = refused.get((run_id, process_id, image, abi, nr), [])
    complete = not taken and sum(count for _, count in told) == blocked
    return Made(
        *(run_id, process_id, pid, image, decode_text(program), abi, nr, name, taken + blocked),
        tuple(known for known, _ in told),
        complete,
    )
