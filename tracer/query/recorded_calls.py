"""The calls of recorded runs, by run, process image and syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.query.observed import Source, chosen
from tracer.store.spool.encode import decode_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tracer.query.runs import Filter
    from tracer.store.reader import Reader

    Known = Mapping[int, int]
    """Argument -> register."""
    _Key = tuple[str, int, int, str, int]


class RecordedCall(NamedTuple):
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
    calls: tuple[RecordedCall, ...]


def recorded(database: Path, refs: Sequence[str], wanted: Filter | None) -> Recorded:
    """The calls of the runs that are meant. Raises RunNotFound, StoreError."""
    with chosen(database, refs, wanted) as (reader, sources):
        counted = [source.run_id for source in sources if source.counted]
        return Recorded(sources, tuple(_calls(reader, counted)))


_CALLS = """
    SELECT s.run_id, s.process_id, s.image, s.abi, s.nr, s.pid,
        coalesce(regexp_extract(p.executable, '[^/]*$'), p.comm, '?') AS program, s.name,
        sum(s.calls)::BIGINT AS taken, sum(s.blocked)::BIGINT AS blocked,
        sum(s.unfinished)::BIGINT AS unfinished
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
_TAKEN = """
    SELECT run_id, process_id, image, abi, nr, combination,
        list({'argument': argument, 'value': value})
    FROM arguments
    WHERE list_contains(?, run_id)
    GROUP BY ALL
"""
_LOSSY = """
    SELECT DISTINCT run_id FROM losses
    WHERE list_contains(?, run_id) AND kind = 'lost_arguments'
"""


class _Told(NamedTuple):
    """What is known of the arguments of all calls."""

    refused: Mapping[_Key, list[tuple[Known, int]]]
    """Of refused calls: all six, and how many calls had them."""
    taken: Mapping[_Key, list[Known]]
    """Of others; an empty one: there were more than are recorded."""
    lossy: frozenset[str]
    """Runs that lost some."""


def _calls(reader: Reader, ids: list[str]) -> list[RecordedCall]:
    refused: dict[_Key, list[tuple[Known, int]]] = {}
    for *key, args, count in reader.execute(_REFUSED, [ids]):
        refused.setdefault(_key(key), []).append((dict(enumerate(args)), count))
    taken: dict[_Key, list[Known]] = {}
    for *key, combination, args in reader.execute(_TAKEN, [ids]):
        known = {each["argument"]: each["value"] for each in args} if combination else {}
        taken.setdefault(_key(key), []).append(known)
    lossy = frozenset(row[0] for row in reader.execute(_LOSSY, [ids]))
    told = _Told(refused, taken, lossy)
    return [_made(row, told) for row in reader.execute(_CALLS, [ids])]


def _key(row: Sequence[Any]) -> _Key:
    run_id, process_id, image, abi, nr = row
    return run_id, process_id, image, abi, nr


def _made(row: Sequence[Any], told: _Told) -> RecordedCall:
    key = _key(row[:5])
    run_id, process_id, image, abi, nr = key
    pid, program, name, taken, blocked, unfinished = row[5:]
    refused, ways = told.refused.get(key, []), told.taken.get(key, [])
    is_told = ways and all(ways) and not unfinished and run_id not in told.lossy
    complete = (not taken or is_told) and sum(count for _, count in refused) == blocked
    known = (*(known for known, _ in refused), *(known for known in ways if known))
    return RecordedCall(
        *(run_id, process_id, pid, image, decode_text(program), abi, nr, name, taken + blocked),
        known,
        bool(complete),
    )
