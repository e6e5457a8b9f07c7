"""Conditions as equalities under masks, of which libseccomp compiles any number exactly.

One such equality, or several of different arguments that hold together, is a cube: some bits are
fixed, and the others free. What else a condition can say is a union of cubes: a range of numbers
that begins and ends anywhere is at most two for each bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.profile.records import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracer.profile.records import Operator

Cube = tuple[Condition, ...]
"""Equalities, one an argument at most, that hold together; in the order of the arguments."""
Range = tuple[int, int]
"""Of numbers, both ends included."""


def compared(op: Operator, value: int, bits: int, *, signed: bool = False) -> list[Range]:
    """The numbers of so many bits for which the comparison holds, unsigned and in order."""
    sign, last = 1 << bits - 1, (1 << bits) - 1
    shifted = value ^ sign if signed else value  # two's complement, in the order of its numbers
    low, high = {
        "==": (shifted, shifted),
        "!=": (shifted + 1, shifted - 1),
        "<": (0, shifted - 1),
        "<=": (0, shifted),
        ">": (shifted + 1, last),
        ">=": (shifted, last),
    }[op]
    ranges = [(0, high), (low, last)] if op == "!=" else [(low, high)]
    found = [(low, high) for low, high in ranges if low <= high]
    if not signed:
        return found
    halves = [part for each in found for part in _cut(each, sign)]
    return outside(outside([(low ^ sign, high ^ sign) for low, high in halves], bits), bits)


def _cut(given: Range, at: int) -> list[Range]:
    low, high = given
    return [(low, at - 1), (at, high)] if low < at <= high else [given]


def outside(ranges: Sequence[Range], bits: int) -> list[Range]:
    """The numbers of so many bits that are in none of the ranges."""
    found, begin = [], 0
    for low, high in sorted(ranges):
        if begin < low:
            found.append((begin, low - 1))
        begin = max(begin, high + 1)
    return [*found, (begin, (1 << bits) - 1)] if begin < 1 << bits else found


def cubes(index: int, mask: int, ranges: Iterable[Range]) -> list[Condition]:
    """Equalities of which one holds just where the argument's bits under ``mask``, drawn
    together, are a number of the ranges."""
    bits = mask.bit_count()
    return [
        Condition(index, "==", _spread(value, mask), _spread(fixed, mask))
        for low, high in ranges
        for fixed, value in _prefixes(low, high, bits)
    ]


def drawn_together(value: int, mask: int) -> int:
    """The bits of ``value`` under ``mask``, without the gaps between them."""
    return sum((value >> bit & 1) << at for at, bit in enumerate(_bits(mask)))


def _spread(value: int, mask: int) -> int:
    return sum((value >> at & 1) << bit for at, bit in enumerate(_bits(mask)))


def _bits(mask: int) -> Iterator[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def _prefixes(low: int, high: int, bits: int) -> Iterator[tuple[int, int]]:
    """Masks and values of the largest aligned blocks that make up a range."""
    while low <= high:
        size = low & -low or 1 << bits
        while size > high - low + 1:
            size >>= 1
        yield (1 << bits) - size, low
        low += size


def both(one: Cube, other: Cube) -> Cube | None:
    """Where both hold; None if that is nowhere."""
    found = {condition.index: condition for condition in one}
    for condition in other:
        beside = found.get(condition.index)
        joined = _joined(beside, condition) if beside else condition
        if joined is None:
            return None
        found[condition.index] = joined
    return tuple(found[index] for index in sorted(found))


def _joined(one: Condition, other: Condition) -> Condition | None:
    if (one.value ^ other.value) & one.mask & other.mask:
        return None
    return Condition(one.index, "==", one.value | other.value, one.mask | other.mask)


def without(one: Cube, other: Cube) -> list[Cube]:
    """Cubes, no two of which have a call in common, for where ``one`` holds and ``other`` not."""
    if both(one, other) is None:
        return [one]
    found: list[Cube] = []
    for condition in other:
        for bit in _bits(condition.mask & ~_mask(one, condition.index)):
            set_here = condition.value & 1 << bit
            differing = Condition(condition.index, "==", set_here ^ 1 << bit, 1 << bit)
            found += filter(None, [both(one, (differing,))])
            one = both(one, (differing._replace(value=set_here),)) or one
    return found


def _mask(cube: Cube, index: int) -> int:
    return next((condition.mask for condition in cube if condition.index == index), 0)


def equalities(condition: Condition) -> list[Condition]:
    """Those of which one holds just where the condition does, whatever it compares by."""
    if condition.op == "==":
        return [condition]
    bits = condition.mask.bit_count()
    value = drawn_together(condition.value, condition.mask)
    return cubes(condition.index, condition.mask, compared(condition.op, value, bits))
