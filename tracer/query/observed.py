"""What recorded runs did, call by call, over all of them together."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.errors import RunNotFound
from tracer.profile.deciding import ARGUMENTS
from tracer.profile.learn import Use, Way
from tracer.query import runs as listing
from tracer.store.spool.encode import decode_text
from tracer.syscalls import errno_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from tracer.store.intake import Waiting
    from tracer.store.reader import Reader


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
        return observe_with(reader, sources)


def observe_with(reader: Reader, sources: tuple[Source, ...]) -> Observed:
    """What these runs did, all of them together. Raises StoreError."""
    counted = [source.run_id for source in sources if source.counted]
    return Observed(sources, tuple(_uses(reader, counted)), reader.waiting)


@contextmanager
def chosen(
    database: Path, refs: Sequence[str], wanted: listing.Filter | None
) -> Iterator[tuple[Reader, tuple[Source, ...]]]:
    """The runs that are meant, the oldest first, with the database that they are in.

    Raises RunNotFound where there is none.
    """
    from tracer.store.reader import Reader

    found = () if wanted is None else listing.list_runs(database, wanted).rows
    with Reader(database) as reader:
        ids = [reader.resolve(ref) for ref in refs]
        ids += [row[0] for row in found if row[3] != "running"]
        if not ids:
            raise RunNotFound(
                "no recorded run is of that command, tag and time: see `sbtrace runs`"
            )
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
    SELECT abi, nr, errno, args, list(DISTINCT run_id), sum(count)::BIGINT
    FROM blocked_calls
    WHERE list_contains(?, run_id) AND action <> 'LOG'
    GROUP BY ALL
    ORDER BY 6 DESC
"""
_WAYS = """
    WITH ways AS (
        SELECT run_id, abi, nr, process_id, image, combination,
            list({'argument': argument, 'value': value} ORDER BY argument) AS args
        FROM arguments
        WHERE list_contains(?, run_id) AND combination IS NOT NULL
        GROUP BY ALL
    )
    SELECT abi, nr, args, list(DISTINCT run_id) FROM ways GROUP BY ALL
"""
_UNKNOWN = """
    WITH sets AS (
        SELECT run_id, process_id, image, abi, nr, bool_or(combination IS NULL) AS over
        FROM arguments WHERE list_contains($ids, run_id) GROUP BY ALL
    ), taken AS (
        SELECT run_id, process_id, image, abi, nr, sum(unfinished) AS unfinished
        FROM syscalls WHERE list_contains($ids, run_id) AND list_contains($names, name)
        GROUP BY ALL HAVING sum(calls) > 0
    ), lossy AS (
        SELECT run_id, count FROM losses
        WHERE list_contains($ids, run_id) AND kind = 'lost_arguments'
    )
    SELECT taken.abi, taken.nr,
        count(DISTINCT run_id) FILTER (sets.over IS NULL AND taken.unfinished = 0),
        coalesce(bool_or(sets.over), false),
        sum(taken.unfinished)::BIGINT,
        coalesce(max(lossy.count), 0)
    FROM taken
    LEFT JOIN sets USING (run_id, process_id, image, abi, nr)
    LEFT JOIN lossy USING (run_id)
    GROUP BY ALL
"""
_Key = tuple[str, int]
_Answer = tuple[int | None, tuple[int, ...], frozenset[str], int]
"""errno (None: a signal, or unknown), the six registers, runs, how many calls."""


def _uses(reader: Reader, ids: list[str]) -> list[Use]:
    answers: dict[_Key, list[_Answer]] = {}
    for abi, nr, errno, args, runs, count in reader.execute(_REFUSED, [ids]):
        answers.setdefault((abi, nr), []).append((errno, tuple(args), frozenset(runs), count))
    ways: dict[_Key, list[Way]] = {}
    for abi, nr, args, runs in reader.execute(_WAYS, [ids]):
        values = tuple((each["argument"], each["value"]) for each in args)
        ways.setdefault((abi, nr), []).append(Way(values, frozenset(runs)))
    rows: dict[_Key, list[Sequence[Any]]] = {}
    for row in reader.execute(_CALLS, [ids]):
        rows.setdefault((row[0], row[1]), []).append(row)
    unknown = incomplete(reader, ids)
    return [
        _use(alike, answers.get(key, []), ways.get(key, []), unknown.get(key))
        for key, alike in rows.items()
    ]


def incomplete(reader: Reader, ids: Sequence[str], *, lost: bool = True) -> Mapping[_Key, str]:
    """Why not all arguments of a call are known, of those calls of which they are recorded.

    Without ``lost`` it does not count that some were lost, which may be of any call.
    """
    found: dict[_Key, str] = {}
    params = {"ids": list(ids), "names": list(ARGUMENTS)}
    for abi, nr, unrecorded, over, unfinished, count in reader.execute(_UNKNOWN, params):
        if unrecorded:
            runs = "1 run" if unrecorded == 1 else f"{unrecorded} runs"
            found[abi, nr] = f"its arguments are not recorded in {runs}"
        elif over:
            found[abi, nr] = "one process made it in more ways than are recorded"
        elif unfinished:
            found[abi, nr] = "a call did not return, and its arguments are not recorded"
        elif lost and count:
            found[abi, nr] = f"{count} combinations of arguments were lost"
    return found


def _use(
    rows: Sequence[Sequence[Any]],
    answers: Sequence[_Answer],
    taken: Sequence[Way],
    unknown: str | None,
) -> Use:
    abi, nr, name = rows[0][:3]
    blocked = sum(row[5] for row in rows)
    with_errno = sum(count for errno, *_, count in answers if errno is not None)
    errnos = (errno_name(errno) for errno, *_ in answers if errno is not None)
    told = sum(count for *_, count in answers) == blocked
    return Use(
        abi=abi,
        nr=nr,
        name=name,
        runs=frozenset(row[3] for row in rows),
        calls=sum(row[4] for row in rows),
        programs=tuple(dict.fromkeys(decode_text(row[6]) for row in rows)),
        errnos=tuple(dict.fromkeys(errnos)),
        deadly=blocked > with_errno,
        ways=(*taken, *(_refused_way(name, each) for each in answers)),
        unknown=unknown or (None if told else "blocked calls have no details"),
    )


def _refused_way(name: str, answer: _Answer) -> Way:
    errno, args, runs, _count = answer
    values = tuple((index, args[index]) for index in ARGUMENTS.get(name, ()))
    return Way(values, runs, None if errno is None else errno_name(errno))
