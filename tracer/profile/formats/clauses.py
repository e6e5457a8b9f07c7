"""The ways through a filter for one call, as clauses that a person can read.

The ways exclude each other and leave nothing out, so the facts of one may be dropped for as long
as it touches no way with another answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tracer.profile import cubes, machine
from tracer.profile.cases import equalities
from tracer.profile.formats import regions
from tracer.profile.formats.policy import Call, Clause
from tracer.profile.records import Condition, Operator
from tracer.profile.ways import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer.profile.cubes import Cube
    from tracer.profile.records import Action
    from tracer.profile.ways import Fact

_Sides = tuple[tuple["Cube", ...], ...]
"""The values of each of the six arguments."""
_Alternatives = list[tuple[Condition, ...]]

_ORDER: dict[tuple[int, bool], Operator] = {
    (machine.EQUAL, True): "==",
    (machine.EQUAL, False): "!=",
    (machine.GREATER, True): ">",
    (machine.GREATER, False): "<=",
    (machine.GREATER_OR_EQUAL, True): ">=",
    (machine.GREATER_OR_EQUAL, False): "<",
}


class Way(NamedTuple):
    """One way: where all facts are true of a call, that is its answer."""

    action: Action
    facts: tuple[Fact, ...]
    """Of arguments only."""


def call(name: str, ways: Sequence[Way], default: Action) -> Call:
    """The call in clauses that decide as its ways do. Raises cubes.TooMany."""
    actions = list(dict.fromkeys(way.action for way in sorted(ways, key=_equalities)))
    if default in actions:
        return _with_rest(name, ways, default, actions, alone=len(actions) == 2)
    for otherwise in actions:
        try:
            return _with_rest(name, ways, otherwise, actions, alone=False)
        except cubes.TooMany:
            continue
    raise cubes.TooMany


def _equalities(way: Way) -> int:
    return equalities(way.facts)


def _with_rest(
    name: str, ways: Sequence[Way], otherwise: Action, actions: Sequence[Action], *, alone: bool
) -> Call:
    """``otherwise`` is not said, and the ways of the other answers are."""
    clauses: list[Clause] = []
    for action in (action for action in actions if action != otherwise):
        mine = [way for way in ways if way.action == action]
        theirs = [way for way in ways if way.action != action]
        clauses += (Clause(action, each) for each in _said(mine, theirs, alone=alone))
    return Call(name, tuple(dict.fromkeys(clauses)), otherwise)


def _said(mine: Sequence[Way], theirs: Sequence[Way], *, alone: bool) -> _Alternatives:
    """Alternatives that say the ways of one answer; ``theirs``: the ways of the others."""
    if (one := _as_one(mine, alone=alone)) is not None:
        return [one]
    wide = [_sides(_needed(way.facts, theirs)) for way in sorted(mine, key=_equalities)]
    kept: list[_Sides] = []
    for sides in dict.fromkeys(wide):
        if all(sides) and not any(_within(sides, other) for other in kept):
            kept.append(sides)
    return [said for sides in kept for said in regions.alternatives(sides, alone=False)]


def _as_one(mine: Sequence[Way], *, alone: bool) -> tuple[Condition, ...] | None:
    """All the ways as one alternative: where they are every mixture of some values."""
    try:
        sides = [_sides(way.facts) for way in mine]
        union = [_union([found[index] for found in sides]) for index in cubes.ARGUMENTS]
        if math.prod(map(cubes.cube_volume, union)) != sum(map(_volume, sides)):
            return None
        found = regions.alternatives(union, alone=alone)
    except cubes.TooMany:
        return None
    return found[0] if len(found) == 1 else None


def _needed(facts: tuple[Fact, ...], theirs: Sequence[Way]) -> tuple[Fact, ...]:
    """Without those that can be dropped; what is no equality is tried first."""
    kept = facts
    for fact in sorted(facts, key=lambda fact: equalities((fact,))):
        fewer = tuple(other for other in kept if other != fact)
        if all(joined(fewer, way.facts) is None for way in theirs):
            kept = fewer
    return kept


def _sides(facts: Sequence[Fact]) -> _Sides:
    found = cubes.sides(map(condition, facts))
    return tuple(tuple(found.get(index, (cubes.ANY,))) for index in cubes.ARGUMENTS)


def condition(fact: Fact) -> Condition:
    """A fact about half of an argument as a condition on all of it, under a mask."""
    at = fact.word.at - machine.ARGS_AT
    index, shift = at // 8, at % 8 * 8
    mask, value = fact.word.mask << shift, fact.k << shift
    if fact.operation == machine.ANY_BIT:
        return Condition(index, "!=" if fact.holds else "==", 0, mask & value)
    return Condition(index, _ORDER[fact.operation, fact.holds], value, mask)


def _within(one: _Sides, other: _Sides) -> bool:
    """Whether a set is surely part of another: each cube lies in one of the other's."""
    return all(
        all(any(cubes.both(a, b) == a for b in theirs) for a in ours)
        for ours, theirs in zip(one, other, strict=True)
    )


def _union(sets: Iterable[Sequence[Cube]]) -> list[Cube]:
    """The values of all, in cubes that share none."""
    return cubes.apart(dict.fromkeys(cube for found in sets for cube in found))


def _volume(sides: _Sides) -> int:
    return math.prod(map(cubes.cube_volume, sides))
