"""Sets of argument values as cubes: some bits of a register are fixed, the others are free.

Any comparison is a union of at most 64 cubes that share no value. So every condition on arguments
can be said in equalities under a mask, and libseccomp compiles any number of those exactly. Cubes
of several arguments that hold together are a box.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.profile.records import FULL_MASK, Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracer.profile.records import Operator

Cube = tuple[int, int]
"""Mask of the bits that are fixed, and their values."""
Box = tuple[Cube, Cube, Cube, Cube, Cube, Cube]
"""A cube for each argument."""

ANY: Cube = (0, 0)
EVERYTHING: Box = (ANY,) * 6
ARGUMENTS = range(6)
_WIDTH = 64
_MOST_BOXES = 2048
_MOST_PAIRS = 1 << 17


class TooMany(Exception):
    """The set takes more boxes than anybody would want to read."""


def of_condition(condition: Condition) -> list[Cube]:
    """The values of the register that satisfy it, in cubes without a value in common."""
    return compared(condition.op, condition.value, condition.mask)


def compared(op: Operator, value: int, mask: int) -> list[Cube]:
    """The values of a register for which ``register & mask`` compares so, unsigned."""
    match op:
        case "==":
            return [] if value & ~mask else [(mask, value)]
        case "!=":
            return [ANY] if value & ~mask else list(_flipped(mask, value))
        case "<":
            return list(_ordered(mask, value, less=True))
        case "<=":
            beyond = _following(mask, value)
            return list(_ordered(mask, beyond, less=True)) if beyond else [ANY]
        case ">":
            return list(_ordered(mask, value, less=False))
        case ">=":
            return [ANY] if value == 0 else list(_ordered(mask, value - 1, less=False))


def _following(mask: int, value: int) -> int:
    """The smallest number of bits under the mask that is above the value; 0 if there is none."""
    if strange := value & ~mask:
        at = strange.bit_length() - 1
        value = (value & mask) >> at << at | mask & (1 << at) - 1
    return (value | ~mask & FULL_MASK) + 1 & mask


def _flipped(mask: int, value: int) -> Iterator[Cube]:
    above = 0
    for bit in _bits(mask):
        yield above | bit, (value & above) | (~value & bit)
        above |= bit


def _ordered(mask: int, value: int, *, less: bool) -> Iterator[Cube]:
    """Where ``register & mask`` is less, or greater, than the value: by the highest bit that
    differs.
    """
    above = 0
    for bit in _bits(FULL_MASK):
        decides = bool(value & bit) == less
        if not mask & bit:  # this bit is 0 in what is compared
            if value & bit:
                if less:
                    yield above, value & above
                return
            continue
        if decides:
            yield above | bit, (value & above) | (0 if less else bit)
        above |= bit


def _bits(mask: int) -> Iterator[int]:
    """The bits that are set, the highest first."""
    return (1 << at for at in reversed(range(_WIDTH)) if mask >> at & 1)


def compared_signed(op: Operator, value: int, bits: int) -> list[Cube]:
    """The same of the lowest bits as a signed number; ``value`` is in two's complement."""
    sign, mask = 1 << bits - 1, (1 << bits) - 1
    # With the sign the other way round the unsigned order is that of the numbers.
    found = compared(op, value ^ sign, mask)
    return [(fixed, number ^ (fixed & sign)) for fixed, number in found]


def outside(values: Iterable[int], mask: int) -> list[Cube]:
    """The values of a register of which the bits under ``mask`` are none of these.

    Raises TooMany.
    """
    taken = [_with(EVERYTHING, 0, (mask, value)) for value in values]
    return [box[0] for box in without([EVERYTHING], taken)]


def both(one: Cube, other: Cube) -> Cube | None:
    """What is in both; None if nothing is."""
    if (one[1] ^ other[1]) & one[0] & other[0]:
        return None
    return one[0] | other[0], one[1] | other[1]


def sides(conditions: Iterable[Condition]) -> dict[int, list[Cube]]:
    """By argument, the values that satisfy all conditions on it: none where they contradict.

    Raises TooMany.
    """
    found: dict[int, list[Cube]] = {}
    for condition in sorted(conditions, key=lambda c: c.op != "=="):  # few values first
        cubes = of_condition(condition)
        found[condition.index] = _common(found.get(condition.index, [ANY]), cubes)
    return found


def _common(ours: Sequence[Cube], theirs: Sequence[Cube]) -> list[Cube]:
    if len(ours) * len(theirs) > _MOST_PAIRS:
        raise TooMany
    pairs = ((one, other) for one in ours for other in theirs)
    return [cube for one, other in pairs if (cube := both(one, other)) is not None]


def always(conditions: Iterable[Condition]) -> bool:
    """Whether all of them hold for every call."""
    return all(of_condition(condition) == [ANY] for condition in conditions)


def never(conditions: Iterable[Condition]) -> bool:
    """Whether there is no call for which all of them hold."""
    return not all(sides(conditions).values())


def overlap(ours: Iterable[Condition], theirs: Iterable[Condition]) -> bool:
    """Whether for some call all conditions hold, of both."""
    return not never((*ours, *theirs))


def box_of(equalities: Iterable[Condition]) -> Box | None:
    """The calls for which equalities all hold; None if that is none."""
    found = EVERYTHING
    for condition in equalities:
        cube = both(found[condition.index], (condition.mask, condition.value))
        if cube is None:
            return None
        found = _with(found, condition.index, cube)
    return found


def of_box(box: Box) -> tuple[Condition, ...]:
    """The equalities that say it, in the order of the arguments; none for EVERYTHING."""
    return tuple(
        Condition(index, "==", value, mask) for index, (mask, value) in enumerate(box) if mask
    )


def equalities(condition: Condition) -> list[Condition]:
    """Those of which one holds just where the condition does, whatever it compares by."""
    if condition.op == "==":
        return [condition]
    cubes = of_condition(condition)
    return [Condition(condition.index, "==", value, mask) for mask, value in cubes]


def of_conditions(conditions: Iterable[Condition]) -> list[Box]:
    """The calls that satisfy all, in boxes that share none. Raises TooMany."""
    found: list[Box] = [EVERYTHING]
    for index, cubes in sides(conditions).items():
        if len(found) * len(cubes) > _MOST_BOXES:
            raise TooMany
        found = [_with(box, index, cube) for box in found for cube in cubes]
    return found


def _with(box: Box, index: int, cube: Cube) -> Box:
    changed = [*box[:index], cube, *box[index + 1 :]]
    return (changed[0], changed[1], changed[2], changed[3], changed[4], changed[5])


def share(one: Box, other: Box) -> bool:
    """Whether some call is in both."""
    return all(both(one[at], other[at]) is not None for at in ARGUMENTS)


def without(
    boxes: Iterable[Box], taken: Iterable[Box], most: int | None = _MOST_BOXES
) -> list[Box]:
    """What is left of ``boxes`` without ``taken``. No two boxes share a call, before or after.

    Raises TooMany where these are more than ``most``; None: they may be any number.
    """
    left = list(boxes)
    for other in taken:
        left = [piece for box in left for piece in _less(box, other)]
        if most is not None and len(left) > most:
            raise TooMany
    return left


def _less(box: Box, other: Box) -> Iterator[Box]:
    if not share(box, other):
        yield box
        return
    for index in ARGUMENTS:
        for bit in _bits(other[index][0] & ~box[index][0]):
            mask, value = box[index]
            yield _with(box, index, (mask | bit, value | (~other[index][1] & bit)))
            box = _with(box, index, (mask | bit, value | (other[index][1] & bit)))


def volume(boxes: Iterable[Box]) -> int:
    """How many calls are in boxes that share none."""
    return sum(1 << sum(_WIDTH - box[index][0].bit_count() for index in ARGUMENTS) for box in boxes)


WHOLE = 1 << (_WIDTH * len(ARGUMENTS))
"""The volume of everything."""


def projection(boxes: Iterable[Box], index: int) -> list[Cube]:
    """The values that one argument takes, in cubes that share none. Raises TooMany."""
    return apart(dict.fromkeys(box[index] for box in boxes))


def apart(cubes: Iterable[Cube]) -> list[Cube]:
    """The same values in cubes that share none; the widest are kept. Raises TooMany."""
    found: list[Box] = []
    for cube in sorted(cubes, key=lambda cube: cube[0].bit_count()):
        if not any(both(cube, box[0]) == cube for box in found):
            found += without([_with(EVERYTHING, 0, cube)], found)
    return [box[0] for box in found]


def cube_volume(cubes: Iterable[Cube]) -> int:
    """How many values are in cubes that share none."""
    return sum(1 << (_WIDTH - mask.bit_count()) for mask, _ in cubes)


def as_condition(index: int, cubes: Sequence[Cube]) -> Condition | None:
    """One comparison that says what the cubes say; None if there is none."""
    if len(cubes) == 1:
        mask, value = cubes[0]
        return Condition(index, "==", value, mask)
    spans = _spans(cubes)
    match spans:
        case [(0, high)]:
            return Condition(index, "<=", high)
        case [(low, high)] if high == FULL_MASK:
            return Condition(index, ">=", low)
        case [(0, high), (low, end)] if low - high == 2 and end == FULL_MASK:
            return Condition(index, "!=", low - 1)
    return None


def _spans(cubes: Iterable[Cube]) -> list[tuple[int, int]]:
    """First and last values of the stretches; none if a cube is not a stretch itself."""
    found: list[tuple[int, int]] = []
    for mask, value in sorted(cubes, key=lambda cube: cube[1]):
        free = ~mask & FULL_MASK
        if free & (free + 1):
            return []
        if found and found[-1][1] + 1 == value:
            found[-1] = (found[-1][0], value | free)
        else:
            found.append((value, value | free))
    return found
