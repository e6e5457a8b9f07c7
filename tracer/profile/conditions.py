"""Conditions on arguments: how they are written, and which of them can stand together.

libseccomp 2.5 compiles one rule for a call exactly, whatever it compares. It merges several rules
for the same call into one tree. That tree is right for equality, plain or masked, but wrong for
``<``, ``<=``, ``>``, ``>=`` and ``!=``: half of the random pairs with ``<`` on one argument decided
wrongly, and some never ended. A rule cannot name an argument twice, and there is no inequality
under a mask. So libseccomp is given equalities that amount to the same (``cubes``).
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import cubes
from tracer.profile.records import FULL_MASK, MULTIPLEXED, Condition, Profile, Rule
from tracer.profile.wording import parse_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.errors import ProfileError
    from tracer.profile.where import Where
    from tracer.profile.wording import Context

_MULTIPLEXERS = MULTIPLEXED | {"socketcall", "ipc"}
_MOST = 256


def parse_alternative(
    texts: Sequence[object], lines: Sequence[int | None], context: Context
) -> list[tuple[Condition, ...]]:
    """The sets of conditions that ``texts`` come to, where all texts must hold.

    All conditions of a set must hold together; one set that holds is enough. A condition looks at
    an argument once.

    Raises ProfileError for what is no condition, can never hold, or comes to too many.
    """
    try:
        given = [parse_condition(*each, context) for each in zip(texts, lines, strict=True)]
    except cubes.TooMany:
        raise _too_many(lines, context) from None
    indexes = [found[0].index for found in given]
    if len(set(indexes)) == len(given) and all(len(found) == 1 for found in given):
        return [tuple(found[0] for found in given)]
    made: list[tuple[Condition, ...]] = [()]
    for found in given:
        if indexes.count(found[0].index) > 1:
            found = [each for condition in found for each in cubes.equalities(condition)]  # noqa: PLW2901 - the same, as equalities
        pairs = ((before, condition) for before in made for condition in found)
        made = [both for before, one in pairs if (both := _together(before, one)) is not None]
        if len(made) > _MOST:
            raise _too_many(lines, context)
    if not made:
        raise context.error(lines[0], "the conditions can never hold together")
    return made


def _too_many(lines: Sequence[int | None], context: Context) -> ProfileError:
    message = f"the conditions come to more than {_MOST} rules; compare by == or in"
    return context.error(lines[0], message)


def _together(before: tuple[Condition, ...], one: Condition) -> tuple[Condition, ...] | None:
    if all(condition.index != one.index for condition in before):
        return (*before, one)
    box = cubes.box_of((*before, one))
    return None if box is None else cubes.of_box(box) or (one,)


def exact(rules: Sequence[Rule], abis: Sequence[str]) -> list[Rule]:
    """The rules, with equalities in place of order and inequality where others stand beside.

    ABIs of 32 bits compare fewer bits, so that there all stays as it is.
    """
    if syscalls.ABI_32BIT & set(abis):
        return list(rules)
    shared = _shared(rules)
    found: list[Rule] = []
    for rule in rules:
        equalities = [cubes.equalities(condition) for condition in rule.conditions]
        is_exact = all(condition.op == "==" for condition in rule.conditions)
        too_many = math.prod(len(each) for each in equalities) > _MOST
        if is_exact or too_many or not rule.syscalls & shared:
            found.append(rule)
            continue
        written = rule.holds_if
        found += [
            rule._replace(conditions=conditions, written=written)
            for conditions in itertools.product(*equalities)
        ]
    return found


def _shared(rules: Sequence[Rule]) -> frozenset[str]:
    """The calls that more than one entry is about."""
    seen: set[str] = set()
    shared: set[str] = set()
    for rule in rules:
        shared |= seen & rule.syscalls
        seen |= rule.syscalls
    return frozenset(shared)


def check_conditions(profile: Profile, where: Where) -> None:
    """Raises ProfileError where the rules of one call cannot be compiled to what they say."""
    for name, rules in profile.conditional.items():
        for rule in rules:
            _check_one(profile, name, rule, where)
        if len(rules) > 1 or name in profile.unconditional:
            _check_operators(profile, name, rules, where)
        for at, rule in enumerate(rules):
            for earlier in rules[:at]:
                if rule.action != earlier.action and cubes.overlap(
                    rule.conditions, earlier.conditions
                ):
                    raise where.error(
                        rule.line,
                        f'the rule for "{name}" contradicts that of line {earlier.line}: both can '
                        "hold for one call; give one of them a condition that excludes the other",
                    )


def _check_one(profile: Profile, name: str, rule: Rule, where: Where) -> None:
    if "i386" in profile.abis and name in _MULTIPLEXERS:
        raise where.error(
            rule.line,
            f'the arguments of "{name}" cannot be checked on i386, where socketcall and ipc '
            'take them from memory; take "i386" out of abis, or drop the condition',
        )
    narrow = [abi for abi in profile.abis if abi in syscalls.ABI_32BIT]
    if narrow and any(max(_bits(c)) > 0xFFFFFFFF for c in rule.conditions):
        raise where.error(
            rule.line, f"a value is wider than the 32 bits of {narrow[0]}; give a smaller one"
        )
    fallback = profile.unconditional.get(name)
    default = rule.action == profile.default_action
    if fallback and default and rule.action != fallback.action and elsewhere(profile, name) is None:
        raise where.error(
            rule.line,
            f'"{name}" is {fallback.action} by line {fallback.line}, and libseccomp takes no rule '
            f"with the default action {rule.action} beside it; use another action here, "
            'for instance "errno:EACCES"',
        )


def elsewhere(profile: Profile, name: str) -> list[tuple[Condition, ...]] | None:
    """Conditions of which one holds just where no ``[[rule]]`` of a call does.

    libseccomp takes no rule with the default action, so that the list entry beside such a rule has
    to say where it holds. None where that cannot be said: see ``exact``.
    """
    rules = profile.conditional.get(name, ())
    is_exact = all(condition.op == "==" for rule in rules for condition in rule.conditions)
    if syscalls.ABI_32BIT & set(profile.abis) or not is_exact:
        return None
    taken = [box for rule in rules if (box := cubes.box_of(rule.conditions)) is not None]
    try:
        return [cubes.of_box(box) for box in cubes.without([cubes.EVERYTHING], taken, _MOST)]
    except cubes.TooMany:
        return None


def _bits(condition: Condition) -> tuple[int, int]:
    mask = 0 if condition.mask == FULL_MASK else condition.mask
    return condition.value, mask


def _check_operators(profile: Profile, name: str, rules: tuple[Rule, ...], where: Where) -> None:
    for rule in rules:
        for condition in rule.conditions:
            if condition.op != "==":
                others = [r.line for r in rules if r is not rule]
                fallback = profile.unconditional.get(name)
                beside = min(others, default=fallback.line if fallback else rule.line)
                raise where.error(
                    rule.line,
                    f'"{condition}" for "{name}" stands beside line {beside}; libseccomp is exact '
                    "for several rules of one call only with ==, plain or masked: use that",
                )
