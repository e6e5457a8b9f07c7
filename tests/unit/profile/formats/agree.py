"""Two profiles side by side: what their compiled filters do with calls, by the simulator."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import machine, parse
from tracer.profile.formats.runtimes import UNKNOWN_TO_2_5
from tracer.profile.records import ACTION_KINDS, FULL_MASK
from tracer.profile.verdicts import verdict
from tracer.sandbox import filter as filters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracer.profile import Profile
    from tracer.profile.machine import Program

NATIVE = syscalls.native_abi()
SHIPPED = ("STRICT", "RESOURCE-AWARE", "LEARNING")
_ALLOW = 0x7FFF_0000
_MOST = 40
"""Calls tried of one name: all values of an argument, and so many mixtures of several."""


def differences(one: Profile, other: Profile, abis: Iterable[str] | None = None) -> list[str]:
    """The calls that the two answer differently, of all that either's rules speak of."""
    first, second = (filters.compile(profile).program() for profile in (one, other))
    found = []
    for abi, nr, args in calls(one, other, tuple(abis or one.abis)):
        a, b = answer(first, abi, nr, args), answer(second, abi, nr, args)
        if a != b:
            found.append(f"{abi}:{syscalls.name(abi, nr)}{args}: {a}, then {b}")
    return found


def answer(program: Program, abi: str, nr: int, args: tuple[int, ...]) -> str:
    """What the filter does; an empty one allows everything."""
    return str(verdict(machine.run(program, abi, nr, args) if program else _ALLOW))


def calls(
    one: Profile, other: Profile, abis: Iterable[str]
) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    for abi in abis:
        for name in {*one.unconditional, *one.conditional, *other.unconditional}:
            nr = syscalls.number(abi, name)
            if nr is not None:
                yield from ((abi, nr, args) for args in arguments(one, other, name))
        first = syscalls.X32_BIT if abi == "x32" else 0
        yield from ((abi, first + nr, (0,) * 6) for nr in range(0, 520, 7))


def arguments(one: Profile, other: Profile, name: str) -> list[tuple[int, ...]]:
    """All values that the rules name, with neighbours and other upper halves; some mixtures."""
    values: list[set[int]] = [{0} for _ in range(6)]
    for profile in (one, other):
        for rule in profile.conditional.get(name, ()):
            for c in rule.conditions:
                bits = (
                    [1 << at for at in range(64) if c.mask >> at & 1] if c.mask != FULL_MASK else []
                )
                near = {c.value, c.value + 1, c.value - 1, c.value ^ (1 << 32), c.value ^ (1 << 63)}
                values[c.index] |= {v & FULL_MASK for v in near | {c.value ^ b for b in bits}}
                values[c.index] |= {c.value | (~c.mask & FULL_MASK), FULL_MASK}
    base = [
        next(
            (c.value for r in one.conditional.get(name, ()) for c in r.conditions if c.index == i),
            0,
        )
        for i in range(6)
    ]
    each = [(*base[:i], v, *base[i + 1 :]) for i in range(6) for v in sorted(values[i])]
    chooser = random.Random(name)  # noqa: S311 - a test's, the same each time
    mixed = [tuple(chooser.choice(sorted(v)) for v in values) for _ in range(_MOST)]
    return list(dict.fromkeys([*each, *mixed] if any(len(v) > 1 for v in values) else [(0,) * 6]))


_VALUES = (
    0,
    1,
    2,
    5,
    0x1F,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    0xFFFF_FFFF,
    1 << 32,
    1 << 63,
    FULL_MASK,
)
_MASKS = (0xFF, 0xFFFF_FFFF, 0x7E02_0000, 0xFFF7_F7FF, 1 << 33, 3)
_OPERATORS = ("==", "==", "!=", "<", "<=", ">", ">=")
_NAMES = sorted(syscalls.names(NATIVE) - UNKNOWN_TO_2_5)
ACTIONS = (
    *(kind for kind in ACTION_KINDS if kind != "errno"),
    *("errno:EPERM", "errno:EACCES", "errno:ENOSYS"),
)

# What a format can say of all calls, so that few profiles of these lose anything.
SAYABLE = {
    "systemd": ("allow", "errno:EPERM"),
    "firejail": ("allow", "errno:EPERM"),
    "minijail": ("allow", "kill_process"),
    "spo": ("allow", "log", "kill_process", "errno:EPERM", "errno:EACCES"),
}


@cache
def random_profiles(
    seed: str, count: int, actions: tuple[str, ...] = ACTIONS, *, by_arguments: bool = True
) -> tuple[Profile, ...]:
    """Valid profiles, the same for a seed."""
    chooser = random.Random(seed)  # noqa: S311 - a test's, the same each time
    texts = [_text(chooser, actions, by_arguments) for _ in range(count)]
    return tuple(parse(text, f"random{at}.toml") for at, text in enumerate(texts))


def _text(chooser: random.Random, actions: tuple[str, ...], by_arguments: bool) -> str:
    default = chooser.choice(actions)
    others = [action for action in actions if action != default]
    names = chooser.sample(_NAMES, chooser.randrange(9, 40))
    lists: dict[str, list[str]] = {}
    for name in names[8:]:
        lists.setdefault(chooser.choice(actions), []).append(name)
    rules: list[str] = []
    for name in names[:8] if by_arguments else ():
        rules += _rules(chooser, name, others)
        if len(rules[-1].splitlines()) > 4:  # several alternatives: a list may say the rest
            lists.setdefault(chooser.choice(actions), []).append(name)
    plain = [f"{action} = {found!r}" for action, found in lists.items() if ":" not in action]
    errnos = [f"{action[6:]} = {found!r}" for action, found in lists.items() if ":" in action]
    head = [f'default_action = "{default}"', *plain, "[errno]", *errnos]
    return "\n".join([*head, *rules])


def _rules(chooser: random.Random, name: str, actions: list[str]) -> list[str]:
    """One with any comparison, or several that exclude each other, or one of alternatives."""
    kind = chooser.choice(("one", "several", "alternatives"))
    if kind == "one":
        return [_rule(name, chooser.choice(actions), [_conditions(chooser, _OPERATORS)])]
    if kind == "alternatives":
        alternatives = [_conditions(chooser, ("==",)) for _ in range(3)]
        return [_rule(name, chooser.choice(actions), alternatives) + "\n"]
    values = chooser.sample(_VALUES, 3)
    return [
        _rule(
            name, chooser.choice(actions), [[f"arg2 == {value}", *_conditions(chooser, ("==",), 2)]]
        )
        for value in values
    ]


def _rule(name: str, action: str, alternatives: list[list[str]]) -> str:
    shown = ",\n".join(map(repr, alternatives))
    return f'[[rule]]\nsyscalls = ["{name}"]\naction = "{action}"\nargs = [{shown}]'


def _conditions(chooser: random.Random, operators: tuple[str, ...], but: int = 6) -> list[str]:
    found = []
    indexes = [index for index in range(6) if index != but]
    for index in sorted(chooser.sample(indexes, chooser.choice((1, 1, 2, 3)))):
        value = chooser.choice(_VALUES)
        if chooser.random() < 0.5:
            mask = chooser.choice(_MASKS)
            found.append(f"arg{index} & {mask:#x} == {value & mask:#x}")
        else:
            found.append(f"arg{index} {chooser.choice(operators)} {value:#x}")
    return found
