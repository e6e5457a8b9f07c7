"""The clauses of a foreign format for one call, as clauses that a profile can have.

A profile compares by order or inequality only in a call's single rule, lets no two rules with
different actions hold at once, and can give no rule the default action beside a listed call
(``tracer.profile.conditions``). What is within that is left as it is; the rest is said in
equalities under masks, which decide the same.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from tracer.profile import cubes
from tracer.profile.formats.policy import Call, Clause
from tracer.profile.records import FULL_MASK, Action, Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.cubes import Box, Cube

_MOST_CLAUSES = 512
_MOST_REBUILT = 32


def sayable(call: Call, default: Action) -> Call:
    """The call with clauses that a profile can have, which decide the same.

    Raises cubes.TooMany where that takes too many of them.
    """
    if len(call.clauses) > _MOST_CLAUSES:
        raise cubes.TooMany
    simple = _simplified(call, default)
    return simple if _is_sayable(simple, default) else _rebuilt(call, default)


def _simplified(call: Call, default: Action) -> Call:
    """Without clauses that cannot hold, that come too late, or that say what happens anyway."""
    clauses: list[Clause] = []
    otherwise = call.otherwise
    for clause in call.clauses:
        needed = tuple(c for c in dict.fromkeys(clause.conditions) if not cubes.always((c,)))
        if not needed:
            otherwise = clause.action
            break
        if not cubes.never(needed):
            clauses.append(Clause(clause.action, _once_each_if_possible(needed)))
    if _are_exclusive(clauses):
        clauses = [clause for clause in clauses if clause.action != otherwise]
    return call._replace(clauses=tuple(dict.fromkeys(clauses)), otherwise=otherwise)


def _once_each_if_possible(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """With one condition for each argument, where one can say what several do."""
    plain = all(c.op == "==" or c.mask == FULL_MASK for c in conditions)
    if plain and len({c.index for c in conditions}) == len(conditions):
        return conditions
    one = [cubes.as_condition(index, found) for index, found in cubes.sides(conditions).items()]
    whole = tuple(condition for condition in one if condition is not None)
    return whole if len(whole) == len(one) else conditions


def _is_sayable(call: Call, default: Action) -> bool:
    listed = call.otherwise != default
    every = [condition for clause in call.clauses for condition in clause.conditions]
    alone = len(call.clauses) <= 1 and not listed
    return (
        all(c.op == "==" or (alone and c.mask == FULL_MASK) for c in every)
        and all(_once_each(clause) for clause in call.clauses)
        and not (listed and any(clause.action == default for clause in call.clauses))
        and _are_exclusive(call.clauses)
    )


def _once_each(clause: Clause) -> bool:
    indexes = [condition.index for condition in clause.conditions]
    return len(set(indexes)) == len(indexes)


def _are_exclusive(clauses: Sequence[Clause]) -> bool:
    """Whether no two with different actions can hold for one call."""
    return not any(
        one.action != other.action and cubes.overlap(one.conditions, other.conditions)
        for one, other in itertools.combinations(clauses, 2)
    )


def _rebuilt(call: Call, default: Action) -> Call:
    if len(call.clauses) > _MOST_REBUILT:
        raise cubes.TooMany
    sets = _sets(call, default)
    if len(sets) == 1 and cubes.volume(next(iter(sets.values()))) == cubes.WHOLE:
        return call._replace(clauses=(), otherwise=next(iter(sets)))
    otherwise = call.otherwise
    if default in sets or sum(map(cubes.volume, sets.values())) == cubes.WHOLE:
        # A rule with the default action cannot stand beside a listed call: what is left is listed.
        otherwise = default if default in sets else max(sets, key=lambda a: len(sets[a]))
    rest = {action: boxes for action, boxes in sets.items() if action != otherwise}
    alone = len(rest) == 1 and otherwise == default
    clauses = [
        Clause(action, conditions)
        for action, boxes in rest.items()
        for conditions in _conditions(boxes, alone=alone)
    ]
    if len(clauses) > _MOST_CLAUSES:
        raise cubes.TooMany
    return call._replace(clauses=tuple(clauses), otherwise=otherwise)


def _sets(call: Call, default: Action) -> dict[Action, list[Box]]:
    """Which calls are answered how; no call is in two of them.

    What no clause covers is among them where a clause has the default action, as then only that
    can be the rest.
    """
    found: dict[Action, list[Box]] = {}
    taken: list[tuple[Clause, list[Box]]] = []
    for clause in call.clauses:
        new = cubes.of_conditions(clause.conditions)
        for earlier, boxes in taken:
            if cubes.overlap(earlier.conditions, clause.conditions):
                new = cubes.without(new, boxes)
        found.setdefault(clause.action, []).extend(new)
        taken.append((clause, new))
    if default in found and call.otherwise != default:
        rest = cubes.without([cubes.EVERYTHING], [box for _, new in taken for box in new])
        found.setdefault(call.otherwise, []).extend(rest)
    return {action: boxes for action, boxes in found.items() if boxes}


def _conditions(boxes: list[Box], *, alone: bool) -> list[tuple[Condition, ...]]:
    """Alternatives that say what the boxes say; ``alone``: any comparison may be used of one."""
    sides = [cubes.projection(boxes, index) for index in cubes.ARGUMENTS]
    if math.prod(map(cubes.cube_volume, sides)) != cubes.volume(boxes):
        return [cubes.of_box(box) for box in boxes]
    return alternatives(sides, alone=alone)


def alternatives(sides: Sequence[Sequence[Cube]], *, alone: bool) -> list[tuple[Condition, ...]]:
    """Alternatives that say: each argument is in its own cubes. Raises cubes.TooMany.

    ``alone``: where one alternative will do, any comparison may be used of it.
    """
    one = [cubes.as_condition(index, side) for index, side in enumerate(sides)]
    whole = tuple(c for c in one if c is not None and c.mask)
    if None not in one and (alone or all(c.op == "==" for c in whole)):
        return [whole]
    if math.prod(map(len, sides)) > _MOST_CLAUSES:
        raise cubes.TooMany
    return [cubes.of_box((a, b, c, d, e, f)) for a, b, c, d, e, f in itertools.product(*sides)]
