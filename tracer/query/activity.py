"""What recorded runs did by some calls: which programs, how often, with which arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.query.observed import Source, chosen, incomplete
from tracer.store.spool.encode import decode_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tracer.query.runs import Filter
    from tracer.store.intake import Waiting
    from tracer.store.reader import Reader

CallKey = tuple[str, int]
"""ABI and number."""


class Program(NamedTuple):
    """Who made a call: all processes that ran one file."""

    path: str
    """The executable, or the task's name where no path is known."""
    pid: int
    """Of the first process."""
    start_ns: int | None
    """When that process, or its image, began: ns since the run's start; None: not known."""


class Made(NamedTuple):
    """A call that one program made."""

    abi: str
    nr: int
    name: str
    program: Program
    calls: int
    errors: int
    """How many of them the kernel failed."""
    blocked: int
    runs: int
    """In how many runs."""


class Way(NamedTuple):
    """Arguments with which one program made a call that was let through."""

    abi: str
    nr: int
    name: str
    program: Program
    values: Mapping[int, int]
    """Argument -> register, of those that every run records."""
    runs: int


class Blocked(NamedTuple):
    """A call of one program that a filter blocked, with one set of arguments."""

    abi: str
    nr: int
    name: str
    program: Program
    args: tuple[int, ...]
    action: str
    errno: int | None
    calls: int
    runs: int
    at_ns: int
    """The first one."""
    run_id: str
    """The run of that one."""


class Acted(NamedTuple):
    """What the runs did."""

    sources: tuple[Source, ...]
    """The oldest first."""
    made: tuple[Made, ...]
    """Most calls first."""
    ways: tuple[Way, ...]
    blocked: tuple[Blocked, ...]
    unknown: Mapping[CallKey, str]
    """Calls whose arguments are not all known -> why."""
    waiting: tuple[Waiting, ...]


class New(NamedTuple):
    """What a run did for the first time."""

    before: int
    """How many earlier runs of the same executable are known."""
    calls: tuple[tuple[str, str, Program], ...]
    """ABI, name and who made it first, of calls that none of them made."""
    programs: tuple[Program, ...]
    """Files that it executed and none of them did."""


def load(
    database: Path, refs: Sequence[str], wanted: Filter | None, names: Sequence[str]
) -> tuple[Acted, New | None]:
    """What the runs that are meant did by calls of these names, and what the last one did first.

    The second is None where that run was not counted. Raises RunNotFound, StoreError.
    """
    with chosen(database, refs, wanted) as (reader, sources):
        ids = [source.run_id for source in sources if source.counted]
        acted = Acted(
            sources,
            tuple(_made(row) for row in reader.execute(_MADE, [ids, names])),
            tuple(_way(row) for row in reader.execute(_WAYS, [ids])),
            tuple(_blocked(row) for row in reader.execute(_BLOCKED, [ids])),
            incomplete(reader, ids),
            reader.waiting,
        )
        return acted, _new(reader, sources[-1]) if sources[-1].counted else None


def _program(columns: Sequence[Any]) -> Program:
    path, pid, start_ns = columns
    return Program(decode_text(path), pid, start_ns)


def _made(row: Sequence[Any]) -> Made:
    abi, nr, name, *program, calls, errors, blocked, runs = row
    return Made(abi, nr, name, _program(program), calls, errors, blocked, runs)


def _way(row: Sequence[Any]) -> Way:
    abi, nr, name, *program, args, runs = row
    values = {each["argument"]: each["value"] for each in args}
    return Way(abi, nr, name, _program(program), values, runs)


def _blocked(row: Sequence[Any]) -> Blocked:
    abi, nr, name, *program, args, action, errno, calls, runs, at_ns, run_id = row
    return Blocked(
        *(abi, nr, name, _program(program), tuple(args), action, errno, calls, runs, at_ns, run_id)
    )


def _new(reader: Reader, source: Source) -> New:
    run_id = source.run_id
    before = [row[0] for row in reader.execute(_BEFORE, [run_id])]
    calls = reader.execute(_NEW_CALLS, [run_id, before]) if before else []
    files = reader.execute(_NEW_FILES, [run_id, before]) if before else []
    return New(
        len(before),
        tuple((abi, name, _program(program)) for abi, name, *program in calls),
        tuple(_program(program) for program in files),
    )


_PROGRAM = "coalesce(p.executable, p.comm, '?')"
# A process may have no row, as its record can be lost; its calls have its pid all the same.
_FIRST = "arg_min(s.pid, (coalesce(p.start_ns, 0), s.process_id)), min(p.start_ns)"
# The execve that starts the command is sbtrace's; the kernel counts it for the new program.
_STARTED = (
    "count(DISTINCT s.run_id) FILTER (s.process_id = 1 AND s.image = 0 AND s.name = 'execve')"
)
_OF_THEIR_OWN = f"(sum(s.calls) - {_STARTED})::BIGINT"
_MADE = f"""
    SELECT s.abi, s.nr, s.name, {_PROGRAM} AS program, {_FIRST},
        {_OF_THEIR_OWN} AS made, sum(s.errors)::BIGINT, sum(s.blocked)::BIGINT,
        count(DISTINCT s.run_id)
    FROM syscalls AS s LEFT JOIN processes AS p USING (run_id, process_id, image)
    WHERE list_contains(?, s.run_id) AND list_contains(?, s.name)
    GROUP BY s.abi, s.nr, s.name, program HAVING {_OF_THEIR_OWN} + sum(s.blocked) > 0
    ORDER BY made DESC, s.name, s.abi, program
"""  # noqa: S608 - texts of ours
_WAYS = f"""
    WITH ways AS (
        SELECT run_id, process_id, pid, image, abi, nr, name, combination,
            list({{'argument': argument, 'value': value}} ORDER BY argument) AS args
        FROM arguments WHERE list_contains(?, run_id) AND combination IS NOT NULL GROUP BY ALL
    )
    SELECT s.abi, s.nr, s.name, {_PROGRAM} AS program, {_FIRST}, s.args,
        count(DISTINCT s.run_id) AS runs
    FROM ways AS s LEFT JOIN processes AS p USING (run_id, process_id, image)
    GROUP BY s.abi, s.nr, s.name, s.args, program ORDER BY runs DESC, s.name, program, s.args
"""  # noqa: S608
_BLOCKED = f"""
    SELECT s.abi, s.nr, s.name, {_PROGRAM} AS program, {_FIRST}, s.args, s.action, s.errno,
        sum(s.count)::BIGINT AS times, count(DISTINCT s.run_id), min(s.at_ns),
        arg_min(s.run_id, s.at_ns)
    FROM blocked_calls AS s LEFT JOIN processes AS p USING (run_id, process_id, image)
    WHERE list_contains(?, s.run_id) AND s.action <> 'LOG'
    GROUP BY s.abi, s.nr, s.name, s.args, s.action, s.errno, program
    ORDER BY times DESC, s.name, program, s.args
"""  # noqa: S608
_BEFORE = """
    SELECT o.run_id FROM runs AS o, runs AS r
    WHERE r.run_id = ? AND o.executable = r.executable AND o.trace = 'full'
        AND (o.started_at, o.run_id) < (r.started_at, r.run_id)
"""
_NEW_CALLS = f"""
    SELECT s.abi, s.name, arg_min({_PROGRAM}, (coalesce(p.start_ns, 0), s.process_id)), {_FIRST}
    FROM syscalls AS s LEFT JOIN processes AS p USING (run_id, process_id, image)
    WHERE s.run_id = ? AND (s.abi, s.nr) NOT IN
        (SELECT (o.abi, o.nr) FROM syscalls AS o WHERE list_contains(?, o.run_id))
    GROUP BY s.abi, s.name ORDER BY min(p.start_ns), s.name, s.abi
"""  # noqa: S608
_NEW_FILES = """
    SELECT p.executable, arg_min(p.pid, (p.start_ns, p.process_id)), min(p.start_ns)
    FROM processes AS p
    WHERE p.run_id = ? AND p.executable IS NOT NULL AND p.executable NOT IN
        (SELECT o.executable FROM processes AS o
         WHERE list_contains(?, o.run_id) AND o.executable IS NOT NULL)
    GROUP BY p.executable ORDER BY min(p.start_ns), p.executable
"""
