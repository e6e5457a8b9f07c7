"""Which classes of activity runs show, each with its evidence; or which ones a filter leaves open.

Pure: it gets what was recorded. No class is found without a call that shows it. Where the arguments
decide and are not all known, that is said, and the class is neither found nor excluded.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import parse
from tracer.profile.activity import ACTIVITIES, Activity, Sign, entry
from tracer.profile.deciding import ARGUMENTS
from tracer.profile.score import answer, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tracer.profile import Profile
    from tracer.profile.machine import Program as Filter
    from tracer.query.activity import Acted, Blocked, Program


class Evidence(NamedTuple):
    """What shows a class: one call of one program."""

    syscall: str
    abi: str
    program: Program
    calls: int | None
    """How often; None: of calls with such arguments that is not recorded."""
    errors: int | None
    """How many of them the kernel failed; None: not recorded."""
    blocked: int
    """How often a filter blocked it."""
    runs: int
    values: Mapping[int, int] | None = None
    """The arguments that show it; None: the call itself does."""
    sign: Sign | None = None


class Finding(NamedTuple):
    """One class, and what was found of it."""

    activity: Activity
    evidence: tuple[Evidence, ...]
    unknown: tuple[str, ...]
    """Why there may be more, or why it may be there although nothing shows it."""

    @property
    def found(self) -> bool | None:
        """None: nothing shows it, and that is not certain."""
        if self.evidence:
            return True
        return None if self.unknown else False


def names() -> list[str]:
    """The calls by which classes are told."""
    signs = (sign for activity in ACTIVITIES for sign in activity.signs)
    hidden = (name for activity in ACTIVITIES for name in activity.hidden)
    return sorted({name for sign in signs for name in sign.calls} | {*hidden})


def find(acted: Acted) -> tuple[Finding, ...]:
    """Every class, in the order of ``ACTIVITIES``."""
    return tuple(
        Finding(
            activity,
            tuple(each for sign in activity.signs for each in _evidence(acted, sign)),
            tuple(_unknown(acted, activity)),
        )
        for activity in ACTIVITIES
    )


def _evidence(acted: Acted, sign: Sign) -> Iterator[Evidence]:
    if not sign.conditions:
        for made in acted.made:
            if made.name in sign.calls:
                counts = (made.calls, made.errors, made.blocked, made.runs)
                yield Evidence(made.name, made.abi, made.program, *counts, sign=sign)
        return
    for way in acted.ways:
        if way.name in sign.calls and holds(sign, way.abi, way.nr, _registers(way.values)):
            yield Evidence(
                way.name,
                way.abi,
                way.program,
                None,
                None,
                0,
                way.runs,
                values=way.values,
                sign=sign,
            )
    for call in _blocked(acted.blocked, sign):
        values = dict(enumerate(call.args))
        yield Evidence(
            *(call.name, call.abi, call.program, 0, 0, call.calls, call.runs),
            values={at: values[at] for at in ARGUMENTS[call.name]},
            sign=sign,
        )


def _blocked(calls: Iterable[Blocked], sign: Sign) -> Iterator[Blocked]:
    for call in calls:
        if call.name in sign.calls and holds(sign, call.abi, call.nr, call.args):
            yield call


def _registers(values: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(values.get(at, 0) for at in range(6))


def holds(sign: Sign, abi: str, nr: int, args: tuple[int, ...]) -> bool:
    """Whether a call shows the sign: by the entry of a profile that would refuse it."""
    profile = _refusing(sign, abi)
    return profile is not None and not profile.decide(abi, nr, args).action.permits


@cache
def _refusing(sign: Sign, abi: str) -> Profile | None:
    """None where the ABI has none of the calls."""
    if all(syscalls.number(abi, name) is None for name in sign.calls):
        return None
    text = f'default_action = "allow"\nabis = ["{abi}"]\n{entry(sign)}'
    return parse(text, "a sign")


def _unknown(acted: Acted, activity: Activity) -> Iterator[str]:
    told: dict[str, None] = {}
    conditional = {name for sign in activity.signs if sign.conditions for name in sign.calls}
    for made in acted.made:
        if made.name in conditional and (why := acted.unknown.get((made.abi, made.nr))):
            told[f"{made.name} ({made.abi}): {why}"] = None
        if made.name in activity.hidden:
            told[f"{made.name} ({made.abi}): what it asks for lies in memory"] = None
    yield from told
    missing = [source for source in acted.sources if not source.counted]
    inexact = [source for source in acted.sources if source.counted and not source.exact]
    if missing:
        yield f"{_runs(missing)} without counts of eBPF"
    if inexact:
        yield f"{_runs(inexact)} not exact: calls may be missing"


def _runs(sources: Sequence[object]) -> str:
    return "1 run is" if len(sources) == 1 else f"{len(sources)} runs are"


class Open(NamedTuple):
    """What filters leave open of a class."""

    activity: Activity
    calls: tuple[tuple[str, tuple[int, ...] | None], ...]
    """Calls, and of those that arguments decide the arguments that are let through."""


def leave_open(filters: Sequence[Filter]) -> tuple[Open, ...]:
    """Every class, in the order of ``ACTIVITIES``. ``filters``: the oldest first; none: all open.

    Raises FilterError for filters that cannot be followed.
    """
    abi = syscalls.native_abi()
    return tuple(
        Open(each, tuple(call for sign in each.signs for call in _let_through(filters, abi, sign)))
        for each in ACTIVITIES
    )


def _let_through(
    filters: Sequence[Filter], abi: str, sign: Sign
) -> Iterator[tuple[str, tuple[int, ...] | None]]:
    for name in sign.calls:
        nr = syscalls.number(abi, name)
        if nr is None:
            continue
        if not sign.conditions and state(filters, abi, name) != "closed":
            yield name, None
        for args in sign.examples:
            if answer(filters, abi, nr, args) in ("allow", "log"):
                yield name, args
