"""Each thing that a run or an earlier check did beyond a baseline: what, how often, by whom."""

from __future__ import annotations

import itertools
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tracer.report import argument_values, outcome, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tracer.model import Process, RunRecord
    from tracer.profile.deciding import Way
    from tracer.report.argument_values import Value
    from tracer.store.baseline import Surface

    Call = tuple[str, str]
    """ABI and name."""
    Makers = Mapping[Call | Way, Sequence[Process]]
    """Which programs made a call, and which made it in one way."""

_MOST_COMMANDS = 3


class Growth(NamedTuple):
    """One thing that the baseline does not have."""

    kind: str
    """``call``, ``refused``, ``value`` of an argument, or ``unknown``: not all values are known."""
    abi: str
    syscall: str
    action: str | None
    """What the filter answered; None for a call that was let through."""
    calls: int | None
    """How many this run made; None if only an earlier check saw it, and of values, as they are not
    counted."""
    by: tuple[str, ...]
    """Which commands made them."""
    seen: bool = True
    """Whether this run did it; False if only an earlier check saw it."""
    values: tuple[Value, ...] = ()
    """For a new value, the new ones; for a new call, all that are recorded."""
    together: bool = False
    """Whether each of ``values`` was accepted, and only all of them together are new."""
    unknown: str | None = None
    """Why not all values are known; None if they are, or an earlier check saw it."""

    @property
    def words(self) -> str:
        """In one line."""
        what = f"{self.syscall} ({self.abi})"
        told = "; ".join(self._told())
        what += f": {told}" if told else ""
        if not self.seen:
            return f"{what}, by an earlier check, not by this run"
        count = "" if self.calls is None else f", {units.counted(self.calls, 'call')}"
        return f"{what}{count}{self._by()}"

    def _told(self) -> Iterator[str]:
        if self.action:
            yield self.action
        if self.values:
            yield argument_values.text(self.values) + (" together" if self.together else "")
        if self.unknown or self.kind == "unknown":
            yield "not all values are known" + (f", as {self.unknown}" if self.unknown else "")

    def _by(self) -> str:
        more = len(self.by) - _MOST_COMMANDS
        rest = f" and {more} more" if more > 0 else ""
        return f", by {', '.join(self.by[:_MOST_COMMANDS])}{rest}" if self.by else ""


class CheckedRun(NamedTuple):
    """What is told of a run beside its surface."""

    record: RunRecord
    found: Surface
    unknown: Mapping[Call, str]
    """Calls that may have been made in further ways -> why that is not known."""
    makers: Makers


def listed(made: CheckedRun, beyond: Surface, accepted: Surface) -> Iterator[Growth]:
    """What is beyond a baseline, one by one; the values of a call that is new stand with it."""
    for call in sorted(beyond.calls):
        values = argument_values.of_ways(way for way in beyond.values if way[:2] == call)
        why = made.unknown.get(call)
        yield _one(made, call, "call")._replace(values=values, unknown=why)
    for abi, entry in sorted(beyond.refused):
        name, _, action = entry.partition(" ")
        yield _one(made, (abi, name), "refused")._replace(action=action)
    for call, ways in itertools.groupby(sorted(beyond.values), itemgetter(slice(2))):
        if call not in beyond.calls:
            known = [way for way in accepted.values if way[:2] == call]
            yield from _values(made, call, argument_values.beyond(ways, known))
    for call in sorted(beyond.unknown - beyond.calls):
        why = made.unknown.get(call)
        by = _commands(made, [call]) if why else ()
        yield Growth("unknown", *call, None, None, by, why is not None, unknown=why)


def _one(made: CheckedRun, call: Call, kind: str) -> Growth:
    count = sum(
        stat.blocked if kind == "refused" else stat.calls
        for stat in made.record.syscalls
        if (stat.abi, stat.name) == call
    )
    by = _commands(made, [call]) if count else ()
    return Growth(kind, *call, None, count or None, by, count > 0)


def _values(made: CheckedRun, call: Call, new: Iterable[argument_values.New]) -> Iterator[Growth]:
    for values, together, ways in new:
        seen = any(way in made.found.values for way in ways)
        by = _commands(made, ways)
        yield Growth("value", *call, None, None, by, seen, values, together)


def _commands(made: CheckedRun, keys: Iterable[Call | Way]) -> tuple[str, ...]:
    processes = (process for key in keys for process in made.makers.get(key, ()))
    return tuple(dict.fromkeys(map(outcome.process_command, processes)))
