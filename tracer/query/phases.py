"""What recorded runs needed from the first of some calls on: when start-up is over.

When a call was made last is known of those that a filter let through with ``log``, or refused: the
rows of ``blocked_calls`` have the instants of the first and the last one. Their number is held
against the count of the calls, so that of each it is certain whether all of them have a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import NothingToLearn, UsageError
from tracer.profile.deciding import ARGUMENTS, MEMORY
from tracer.profile.learn import Way
from tracer.profile.where import did_you_mean
from tracer.query.observed import Observed, chosen, observe_with
from tracer.store.spool.encode import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tracer.profile.learn import Use
    from tracer.query.runs import Filter
    from tracer.store.reader import Reader

_GROUPS = {
    "accept": ("accept", "accept4"),
    "poll": (
        *("poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64"),
        *("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    ),
}
_COMMAND = 1
"""The process_id of the command itself."""
_AT_ONCE = -1
"""An instant before all others, for a process whose first such call has no known time."""


class Phases(NamedTuple):
    """What was needed from the first of some calls on, and what before them alone."""

    observed: Observed
    """Its uses are those from then on."""
    after: tuple[str, ...]
    """The calls by which start-up ends, as they were asked for: ``accept``."""
    only_before: tuple[str, ...]
    """Names of the calls that start-up alone needed."""
    not_known: tuple[str, ...]
    """Names of those that are kept as it is not known when they were made last."""
    without: tuple[str, ...]
    """The run_ids of those in which no process came so far."""


def words(text: str | None) -> tuple[str, ...]:
    """The calls that a text lists: ``accept``, ``poll``, or any by its name; none for None.

    Raises UsageError.
    """
    if text is None:
        return ()
    known = {name for abi in syscalls.ABIS for name in syscalls.names(abi)} | _GROUPS.keys()
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for word in found:
        if word not in known:
            hint = did_you_mean(word, sorted(known)) or "; give accept, poll or a call's name"
            raise UsageError(f'--after {text}: there is no call "{word}"{hint}')
    return found


def phases(
    database: Path, refs: Sequence[str], wanted: Filter | None, after: tuple[str, ...]
) -> Phases:
    """What the runs that are meant needed from the first of the calls ``after`` on.

    A process goes over to the second phase with its first such call, and those that it makes from
    then on are in it from their start. Raises RunNotFound, StoreError, NothingToLearn.
    """
    with chosen(database, refs, wanted) as (reader, sources):
        observed = observe_with(reader, sources)
        names = {name for word in after for name in _GROUPS.get(word, (word,))}
        told = _told(reader, [source.run_id for source in sources if source.counted], names)
    if not any(process.logged for process in told.values()):
        raise NothingToLearn(
            "in none of these runs is it recorded when a call was made: run the command under a "
            'profile with default_action = "log" (docs/profiles.md)'
        )
    begun = {key: _begin(key, told) for key in told}
    if not any(at is not None for at in begun.values()):
        raise NothingToLearn(
            f"no process of these runs called {' or '.join(after)}: give another call to --after"
        )
    return _phases(observed, told, begun, after)


class _Row(NamedTuple):
    """Calls of a process with the same arguments, and when they were made."""

    count: int  # type: ignore[assignment] # how many; not tuple.count
    first_ns: int
    last_ns: int
    args: tuple[int, ...]
    """The six registers."""


class _Made(NamedTuple):
    """What a process did with one call."""

    count: int  # type: ignore[assignment] # how many, refused ones too; not tuple.count
    rows: tuple[_Row, ...] = ()

    @property
    def is_told(self) -> bool:
        """Whether all of them have a row."""
        return sum(row.count for row in self.rows) == self.count


_Call = tuple[str, int]
_Key = tuple[str, int]
"""run_id and process_id."""


class _Process(NamedTuple):
    """A process: where it comes from, and all its calls."""

    parent: int | None
    start_ns: int
    program: str
    made: dict[_Call, _Made]
    marks: frozenset[_Call]
    """Those of its calls by which start-up ends."""

    @property
    def logged(self) -> bool:
        """Whether it is known of any call when it was made."""
        return any(made.rows for made in self.made.values())


_PROCESSES = """
    SELECT run_id, process_id, any_value(parent_id), min(start_ns),
        coalesce(regexp_extract(arg_max(executable, image), '[^/]*$'), arg_max(comm, image), '?')
    FROM processes WHERE list_contains(?, run_id) GROUP BY ALL ORDER BY 1, 2
"""
_CALLS = """
    SELECT run_id, process_id, abi, nr, name, sum(calls + blocked)::BIGINT AS count
    FROM syscalls WHERE list_contains(?, run_id) GROUP BY ALL HAVING count > 0
"""
_ROWS = """
    SELECT run_id, process_id, abi, nr, sum(count)::BIGINT, min(at_ns), max(last_ns), args
    FROM blocked_calls WHERE list_contains(?, run_id) GROUP BY ALL
"""


def _told(reader: Reader, ids: list[str], after: Iterable[str]) -> dict[_Key, _Process]:
    rows: dict[tuple[_Key, _Call], list[_Row]] = {}
    for run_id, process_id, abi, nr, count, first_ns, last_ns, args in reader.execute(_ROWS, [ids]):
        found = rows.setdefault(((run_id, process_id), (abi, nr)), [])
        found.append(_Row(count, first_ns, last_ns, tuple(args)))
    calls: dict[_Key, dict[_Call, _Made]] = {}
    marks: dict[_Key, set[_Call]] = {}
    for run_id, process_id, abi, nr, name, count in reader.execute(_CALLS, [ids]):
        key, call = (run_id, process_id), (abi, nr)
        calls.setdefault(key, {})[call] = _Made(count, tuple(rows.get((key, call), ())))
        if name in after:
            marks.setdefault(key, set()).add(call)
    return {
        (run_id, process_id): _Process(
            parent,
            start_ns,
            decode_text(program),
            _without_ours(calls.get((run_id, process_id), {}), is_command=process_id == _COMMAND),
            frozenset(marks.get((run_id, process_id), ())),
        )
        for run_id, process_id, parent, start_ns, program in reader.execute(_PROCESSES, [ids])
    }


def _without_ours(made: dict[_Call, _Made], *, is_command: bool) -> dict[_Call, _Made]:
    """The execve that begins the command is counted as its own, and made before the filter."""
    first = syscalls.native_abi(), syscalls.number(syscalls.native_abi(), "execve") or 0
    if not is_command or first not in made:
        return made
    rest = made[first]._replace(count=made[first].count - 1)
    others = {call: done for call, done in made.items() if call != first}
    return {**others, first: rest} if rest.count else others


def _begin(key: _Key, told: Mapping[_Key, _Process]) -> int | None:
    """When a process was in the second phase; None if never."""
    process: _Process | None = told[key]
    if process is not None and process.parent is None and key[1] != _COMMAND:
        return _AT_ONCE  # it is not known who made it
    starts: list[int] = []
    child_ns: int | None = None
    while process is not None:
        at = _mark_ns(process)
        if at is not None and (child_ns is None or at <= child_ns):
            starts.append(at if child_ns is None else _AT_ONCE)
        child_ns = process.start_ns
        process = None if process.parent is None else told.get((key[0], process.parent))
    return min(starts, default=None)


def _mark_ns(process: _Process) -> int | None:
    made = [process.made[call] for call in process.marks]
    if not all(each.is_told for each in made):
        return _AT_ONCE
    return min((row.first_ns for each in made for row in each.rows), default=None)


class _Later(NamedTuple):
    """A process that was, or may have been, in need of a call in its second phase."""

    run_id: str
    process: _Process
    rows: tuple[_Row, ...]
    """Of calls that were made then, too."""
    is_certain: bool
    """Whether it is known that it was."""


def _later_ones(
    told: Mapping[_Key, _Process], begun: Mapping[_Key, int | None]
) -> dict[_Call, list[_Later]]:
    found: dict[_Call, list[_Later]] = {}
    for key, process in told.items():
        at = begun[key]
        for call, made in process.made.items() if at is not None else ():
            rows = tuple(row for row in made.rows if at is not None and row.last_ns >= at)
            if rows or not made.is_told:
                certain = made.is_told or (at == _AT_ONCE and call not in process.marks)
                found.setdefault(call, []).append(_Later(key[0], process, rows, certain))
    return found


def _phases(
    observed: Observed,
    told: Mapping[_Key, _Process],
    begun: Mapping[_Key, int | None],
    after: tuple[str, ...],
) -> Phases:
    later = _later_ones(told, begun)
    kept = [use for use in observed.uses if (use.abi, use.nr) in later]
    gone = {use.name for use in observed.uses} - {use.name for use in kept}
    doubtful = {
        use.name for use in kept if not all(each.is_certain for each in later[use.abi, use.nr])
    }
    return Phases(
        observed._replace(uses=tuple(_later(use, later[use.abi, use.nr]) for use in kept)),
        after,
        tuple(sorted(gone)),
        tuple(sorted(doubtful)),
        _without(observed, begun),
    )


def _later(use: Use, makers: Sequence[_Later]) -> Use:
    """What a call was needed for from then on; by its arguments where all of them are told."""
    later = use._replace(
        runs=frozenset(each.run_id for each in makers),
        programs=tuple(dict.fromkeys(each.process.program for each in makers)),
    )
    is_told = all(each.process.made[use.abi, use.nr].is_told for each in makers)
    is_refused = use.errnos or use.deadly
    if is_refused or not is_told or use.name not in ARGUMENTS or (use.abi, use.name) in MEMORY:
        return later
    ways: dict[tuple[tuple[int, int], ...], set[str]] = {}
    for each in makers:
        for row in each.rows:
            values = tuple((index, row.args[index]) for index in ARGUMENTS[use.name])
            ways.setdefault(values, set()).add(each.run_id)
    found = tuple(Way(values, frozenset(runs)) for values, runs in ways.items())
    return later._replace(ways=found, unknown=None)


def _without(observed: Observed, begun: Mapping[_Key, int | None]) -> tuple[str, ...]:
    came = {run_id for (run_id, _), at in begun.items() if at is not None}
    counted = (source.run_id for source in observed.sources if source.counted)
    return tuple(run_id for run_id in counted if run_id not in came)
