"""Conditions on arguments: how they are written, and which of them can stand together.

libseccomp 2.5 compiles one rule for a call exactly, whatever it compares. Several rules for
the same call it merges into one tree, and that comes out right for equality, plain or masked,
but not for ``<``, ``<=``, ``>``, ``>=`` and ``!=``: of random pairs with ``<`` on one argument
half decided wrongly, and some never ended. So order and inequality are for a call's only rule.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from tracer import syscalls
from tracer.profile.records import FULL_MASK, MULTIPLEXED, Condition, Operator, Profile, Rule

if TYPE_CHECKING:
    from tracer.profile.where import Where

_NUMBER = r"0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|-?[0-9][0-9_]*"
# A text: re compiles it when it is first needed, which a start seldom does.
_CONDITION = (
    rf"arg(?P<index>\d+)\s*(?:&\s*(?P<mask>{_NUMBER})\s*)?"
    rf"(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>{_NUMBER})"
)
_OPERATORS: dict[str, Operator] = {op: op for op in get_args(Operator)}
_FORM = '"arg1 == 5", or with a mask "arg1 & 0xff == 5"'
_MULTIPLEXERS = MULTIPLEXED | {"socketcall", "ipc"}


def parse_condition(text: object, line: int | None, where: Where) -> Condition:
    """The condition that a text such as ``arg0 & 0xff == 1`` stands for.

    Raises ProfileError for another form, an argument beyond 5, or a value out of range.
    """
    match = re.fullmatch(_CONDITION, text.strip()) if isinstance(text, str) else None
    if match is None:
        raise where.error(line, f"a condition is written {_FORM}, not {text!r}")
    index, op = int(match["index"]), _OPERATORS[match["op"]]
    value = _number(match["value"], line, where)
    mask = FULL_MASK if match["mask"] is None else _number(match["mask"], line, where)
    if index > 5:
        raise where.error(line, f'"{text}": a call has the arguments arg0 to arg5')
    if mask != FULL_MASK and op != "==":
        raise where.error(line, f'"{text}": a mask goes only with ==')
    if value & ~mask:
        raise where.error(line, f'"{text}" can never hold: the value has bits outside the mask')
    return Condition(index, op, value, mask)


def _number(text: str, line: int | None, where: Where) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        raise where.error(line, f'"{text}" is not a number; write it as 10, 0xa or 0o12') from None
    if not 0 <= value <= FULL_MASK:
        raise where.error(
            line,
            f"{text} is out of range: registers are unsigned and 64 bits wide; "
            "write a negative int as arg0 & 0xffffffff == 0xffffffff",
        )
    return value


def check_conditions(profile: Profile, where: Where) -> None:
    """Raises ProfileError where the rules of one call cannot be compiled to what they say."""
    for name, rules in profile.conditional.items():
        for rule in rules:
            _check_one(profile, name, rule, where)
        if len(rules) > 1 or name in profile.unconditional:
            _check_operators(profile, name, rules, where)
        for at, rule in enumerate(rules):
            for earlier in rules[:at]:
                if rule.action != earlier.action and _overlap(rule, earlier):
                    raise where.error(
                        rule.line,
                        f'the rule for "{name}" contradicts that of line {earlier.line}: both can '
                        "hold for one call; give one of them a condition that excludes the other",
                    )


def _check_one(profile: Profile, name: str, rule: Rule, where: Where) -> None:
    indexes = [condition.index for condition in rule.conditions]
    if len(set(indexes)) < len(indexes):
        raise where.error(
            rule.line,
            "a rule can look at each argument once; make it two rules, or use a mask",
        )
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
    if fallback and rule.action == profile.default_action and rule.action != fallback.action:
        raise where.error(
            rule.line,
            f'"{name}" is {fallback.action} by line {fallback.line}, and libseccomp takes no rule '
            f"with the default action {rule.action} beside it; use another action here, "
            'for instance "errno:EACCES"',
        )


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


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether some call satisfies both; both consist of equalities."""
    theirs = {condition.index: condition for condition in other.conditions}
    for condition in one.conditions:
        beside = theirs.get(condition.index)
        common = condition.mask & beside.mask if beside else 0
        if beside and condition.value & common != beside.value & common:
            return False
    return True
