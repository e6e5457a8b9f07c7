"""What stands ahead of libseccomp's program: decisions that its rules cannot express.

libseccomp decides by names; these decide by ranges of numbers, and by a secret that only the
launcher knows. Classic BPF, as ``profile.machine`` has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import execs, machine, newer, once
from tracer.profile.machine import Instruction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tracer.profile.machine import Program
    from tracer.profile.records import Action, Profile

_JUMP_IF = 0x05
_IS, _IS_ABOVE = _JUMP_IF | machine.EQUAL, _JUMP_IF | machine.GREATER
_IS_AT_LEAST = _JUMP_IF | machine.GREATER_OR_EQUAL


class Prologue(NamedTuple):
    """Instructions to be put before a filter, which goes on behind them."""

    program: Program
    secret_at: tuple[int, ...]
    """Which of them hold a word of the secret in ``k``, the lower half of an argument first;
    none where the profile has no ``exec = "once"``."""


class _Part(NamedTuple):
    """What is done with the calls of one architecture."""

    refused: tuple[tuple[int, int], ...]
    """Numbers, and what the filter returns for them."""
    newer: tuple[tuple[int, int], ...]
    """Ranges that are answered with ``unknown``."""
    secret: int | None
    """The number that goes through where its last two arguments are the secret."""


def prologue(profile: Profile, value: Callable[[Action], int]) -> Prologue:
    """What a profile needs ahead of its filter; empty for most. ``value``: SECCOMP_RET_… of an
    action, which SCMP_ACT_… equals."""
    unknown = value(profile.unknown) if profile.unknown else 0
    found: list[Instruction] = []
    secret_at: list[int] = []
    for arch, part in _parts(profile, value).items():
        block, at = _block(part, unknown)
        secret_at += [len(found) + 3 + word for word in at]
        found += [
            Instruction(machine.LOAD, 0, 0, machine.ARCH_AT),
            Instruction(_IS, 1, 0, arch),
            Instruction(machine.JUMP, 0, 0, len(block)),
            *block,
        ]
    return Prologue(tuple(found), tuple(secret_at))


def _parts(profile: Profile, value: Callable[[Action], int]) -> dict[int, _Part]:
    found: dict[int, _Part] = {}
    for abi in profile.abis:
        part = _part(profile, abi, value)
        arch = syscalls.AUDIT_ARCH[abi]
        before = found.get(arch)  # x32 has that of x86_64
        if before is not None:
            part = _Part(before.refused + part.refused, before.newer + part.newer, before.secret)
        found[arch] = part
    return {arch: part for arch, part in found.items() if any(part[:2])}


def _part(profile: Profile, abi: str, value: Callable[[Action], int]) -> _Part:
    native = abi == profile.abis[0]
    numbers = execs.numbers(abi) if profile.exec_once else ()
    refused = tuple((nr, value(profile.decide(abi, nr).action)) for nr in numbers)
    secret = syscalls.number(abi, "execve") if native and profile.exec_once else None
    return _Part(refused, tuple(_newer(profile, abi)), secret)


def _newer(profile: Profile, abi: str) -> list[tuple[int, int]]:
    if profile.unknown is None:
        return []
    names = {*profile.unconditional, *profile.conditional}
    numbers = (syscalls.number(abi, name) for name in names)
    return newer.ranges(abi, profile.knows, {nr for nr in numbers if nr is not None})


def _block(part: _Part, unknown: int) -> tuple[list[Instruction], list[int]]:
    """The instructions for one architecture, and where in them the secret is."""
    found = [Instruction(machine.LOAD, 0, 0, machine.NR_AT)]
    at: list[int] = []
    for nr, answer in part.refused:
        refusal = [Instruction(machine.RETURN, 0, 0, answer)]
        if nr == part.secret:
            at = [len(found) + 1 + word for word in once.SECRET_AT]
            refusal = [*once.with_secret(answer)]
        found += [Instruction(_IS, 0, len(refusal), nr), *refusal]
    ranges = list(_ranges(part.newer, unknown))
    return [*found, *ranges], at


def _ranges(ranges: Iterable[tuple[int, int]], answer: int) -> Iterator[Instruction]:
    """A number below a range is below those that follow; most calls leave at the first."""
    found = sorted(ranges)
    for index, (low, high) in enumerate(found):
        yield Instruction(_IS_AT_LEAST, 1, 0, low)
        yield Instruction(machine.JUMP, 0, 0, 4 * (len(found) - index) - 2)
        yield Instruction(_IS_ABOVE, 1, 0, high)
        yield Instruction(machine.RETURN, 0, 0, answer)
