"""What filters leave open of the kernel, class by class; no sum without what it is the sum of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import machine
from tracer.profile.cases import of_call
from tracer.profile.risks import CVES, RISKS, Risk, Try
from tracer.profile.verdicts import strictest, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer.profile.machine import Program


class Part(NamedTuple):
    """The calls of a class, by what becomes of them."""

    open: tuple[str, ...]
    """Let through, whatever their arguments, or with those that the class asks about."""
    partly: tuple[str, ...]
    """Let through with some arguments."""
    closed: tuple[str, ...]


class Foreign(NamedTuple):
    """The calls of another ABI."""

    abi: str
    total: int
    open: int
    """Let through, with some arguments at least."""


class Score(NamedTuple):
    """What is left open."""

    abi: str
    calls: Part
    """All calls that have a name."""
    unnamed: str
    """What becomes of numbers that have none: a call of a newer kernel."""
    classes: tuple[tuple[Risk, Part], ...]
    cves: Part
    foreign: tuple[Foreign, ...]


def score(filters: Sequence[Program]) -> Score:
    """What the filters of a task leave open; none: everything. ``filters``: the oldest first.

    Raises FilterError for filters that cannot be followed: see ``ways``.
    """
    abi = syscalls.native_abi()
    states = {name: state(filters, abi, name) for name in sorted(syscalls.names(abi))}
    classes = tuple(
        (
            risk,
            _parted(
                (each.words or each.name, _tried(filters, abi, each, states))
                for each in risk.tries
                if each.name in states
            ),
        )
        for risk in RISKS
    )
    cves = _parted(
        (cve, _worst(states.get(name, "closed") for name in calls.split()))
        for cve, calls in CVES.items()
    )
    unnamed = answer(
        filters, abi, max(syscalls.number(abi, name) or 0 for name in states) + 100, ()
    )
    foreign = tuple(_foreign(filters, each) for each in syscalls.FOREIGN_ABIS.get(abi, ()))
    return Score(abi, _parted(states.items()), unnamed, classes, cves, foreign)


def _foreign(filters: Sequence[Program], abi: str) -> Foreign:
    names = syscalls.names(abi)
    states = [state(filters, abi, name) for name in names]
    return Foreign(abi, len(names), sum(state != "closed" for state in states))


def state(filters: Sequence[Program], abi: str, name: str) -> str:
    """``open``, ``partly`` (its arguments decide) or ``closed``; no filter: open."""
    if not filters:
        return "open"
    found = of_call(filters, abi, syscalls.number(abi, name) or 0)
    permits = {found.otherwise.permits, *(case.verdict.permits for case in found.cases)}
    if len(permits) == 2:
        return "partly"
    return "open" if permits == {True} else "closed"


def _tried(filters: Sequence[Program], abi: str, each: Try, states: dict[str, str]) -> str:
    if each.args is None:
        return states[each.name]
    found = answer(filters, abi, syscalls.number(abi, each.name) or 0, each.args)
    return "open" if found in ("allow", "log") else "closed"


def answer(filters: Sequence[Program], abi: str, nr: int, args: tuple[int, ...]) -> str:
    """What the filters answer to one call; no filter: ``allow``."""
    if not filters:
        return "allow"
    padded = (*args, *[0] * (6 - len(args)))
    values = [machine.run(each, abi, nr, padded) for each in reversed(filters)]
    return str(verdict(strictest(values)))


def _worst(states: Iterable[str]) -> str:
    return max(states, key=("closed", "partly", "open").index)


def _parted(states: Iterable[tuple[str, str]]) -> Part:
    found = dict(states)
    return Part(*(tuple(n for n, s in found.items() if s == kind) for kind in Part._fields))
