"""A call for which given facts about its arguments are true, or that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.profile import machine
from tracer.profile.ways import between, fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.ways import Fact

_HIGHEST = 31
_AT_THE_END = {
    machine.EQUAL: True,
    machine.GREATER: False,
    machine.GREATER_OR_EQUAL: True,
    machine.ANY_BIT: False,
}
"""What a comparison comes to where no bit has decided it."""


def example(facts: Sequence[Fact]) -> tuple[int, ...] | None:
    """Six argument registers, the smallest of each; None if no call is like that.

    The instruction pointer only has to be possible.
    """
    args = [0] * 6
    for at in sorted({fact.word.at for fact in facts}):
        value = smallest([fact for fact in facts if fact.word.at == at])
        if value is None:
            return None
        if at >= machine.ARGS_AT:
            place, upper = divmod(at - machine.ARGS_AT, 8)
            args[place] |= value << (32 if upper else 0)
    return tuple(args)


def smallest(facts: Sequence[Fact]) -> int | None:
    """The smallest value of a word that agrees with facts about it; None if none does."""
    bits = fixed(facts)
    if bits is None:
        return None
    for value in (bits[1], between(facts)[0]):  # nothing below can do, by these alone
        if all(fact.is_true_of(value) for fact in facts):
            return value
    return _below(_HIGHEST, tuple(dict.fromkeys(facts)), set())


def _below(
    bit: int, open_: tuple[Fact, ...], failed: set[tuple[int, tuple[Fact, ...]]]
) -> int | None:
    """The same of the lowest ``bit`` + 1 bits, where those above have decided all but ``open_``.

    ``failed``: what was found to be impossible.
    """
    if bit < 0:
        return 0 if all(_AT_THE_END[fact.operation] == fact.holds for fact in open_) else None
    if (bit, open_) not in failed:
        for value in (0, 1 << bit):
            left = _undecided(bit, value, open_)
            found = None if left is None else _below(bit - 1, left, failed)
            if found is not None:
                return value | found
        failed.add((bit, open_))
    return None


def _undecided(bit: int, value: int, facts: tuple[Fact, ...]) -> tuple[Fact, ...] | None:
    """The facts that are still open once a bit has this value; None if one is not true then."""
    left = []
    for fact in facts:
        outcome = _decided(fact.operation, value & fact.word.mask, fact.k & 1 << bit)
        if outcome is None:
            left.append(fact)
        elif outcome != fact.holds:
            return None
    return tuple(left)


def _decided(operation: int, ours: int, theirs: int) -> bool | None:
    """What one bit says of a comparison, those above being equal; None if it decides nothing."""
    if operation == machine.ANY_BIT:
        return True if ours & theirs else None
    if ours == theirs:
        return None
    return False if operation == machine.EQUAL else ours > theirs
