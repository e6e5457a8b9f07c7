"""The machine that simulates filters agrees with the kernel, on calls that were really made."""

from __future__ import annotations

import errno
import platform
import random
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT
from tracer.errors import ProfileError
from tracer.profile import machine, parse
from tracer.profile.verdicts import Verdict, verdict
from tracer.sandbox import filter as filter_
from tracer.syscalls import AUDIT_ARCH, errno_number, number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer.profile.records import Action, Profile

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the calls are x86_64's and i386's"),
]
FILTERS = 200
CALLS = 100
"""Of each filter: 20,000 in all."""
HARMLESS = ("getpid", "getppid", "getuid", "geteuid", "getgid", "getegid")
"""They take no argument, so any may be given."""
EDGES = (0, 1, 2, 5, 0x10, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 32, (1 << 32) + 5, (1 << 64) - 1)
ENDINGS = (
    *(0x7FFF0000, 0x7FFC0000, 0x00050001, 0x0005000D, 0x00051234, 0x00050000, 0x00030007),
    *(0x7FFF0000, 0x7FF00003, 0x7FC00000, 0x00050002, 0x80000000),
)
"""allow, log, errnos (one too large, one 0), trap, a tracer and a notifier that are not there, and
kill_process."""
ALLOW = 0x7FFF0000
ACTIONS = (
    *("allow", "allow", "log", "trap", "kill_process", "kill_thread"),
    *("errno:EPERM", "errno:EACCES", "errno:ENOSYS", "errno:ENOTTY"),
)
KILLED_BY_SIGSYS = (3, 31)
LARGEST_ERRNO = 4095
Call = tuple[str, int, tuple[int, ...]]


@pytest.fixture(scope="module")
def made_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("made") / "made_calls"
    source = ROOT / "tests/kernel/made_calls.c"
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", source, "-o", program], check=True)
    return program


def test_it_agrees_with_the_kernel_on_20_000_calls(made_calls: Path) -> None:
    dice = random.Random(20_000)  # noqa: S311 - the same every time
    endings = set()
    for _ in range(FILTERS):
        found = random_filter(dice)
        calls = [random_call(dice) for _ in range(CALLS)]
        expected = [outcome(machine.run(found, *call)) for call in calls]
        assert really(made_calls, found, calls) == expected
        endings.update(expected)
    assert endings >= {(0, 0), (1, 1), (1, 13), (1, LARGEST_ERRNO), (2, 0), KILLED_BY_SIGSYS}


def test_profile_filter_and_kernel_agree_on_20_000_calls_under_100_random_profiles(
    made_calls: Path,
) -> None:
    """What the profile says, what its compiled filter does by the machine, what the kernel did."""
    dice = random.Random(300)  # noqa: S311 - the same every time
    endings = set()
    for _ in range(FILTERS // 2):
        profile = random_profile(dice)
        code = filter_.compile(profile).program()
        calls = [random_call(dice, values_of(profile)) for _ in range(CALLS * 2)]
        said = [of_action(profile.decide(*call).action) for call in calls]
        assert [outcome(machine.run(code, *call)) for call in calls] == said, profile.source
        assert really(made_calls, code, calls) == said, profile.source
        endings.update(said)
    assert endings >= {(0, 0), (1, 1), (1, 13), (1, errno.ENOSYS), (2, 0), KILLED_BY_SIGSYS}


def random_profile(dice: random.Random) -> Profile:
    """One of every action, with lists and rules for calls that do nothing."""
    while True:
        try:
            profile = parse(random_text(dice), "random.toml")
            filter_.compile(profile).code()
        except ProfileError:  # rules that contradict each other, values too wide, too many
            continue
        return profile


def random_text(dice: random.Random) -> str:
    lists: dict[str, list[str]] = {"allow": ["exit_group", "rt_sigreturn"]}
    for name in HARMLESS:
        if dice.randrange(3):
            lists.setdefault(dice.choice(ACTIONS), []).append(name)
    errnos = {key[6:]: names for key, names in lists.items() if key.startswith("errno:")}
    lines = [f'default_action = "{dice.choice(ACTIONS)}"']
    lines += ['abis = ["native", "i386"]'] if dice.randrange(3) else []
    lines += [f"{key} = {names}" for key, names in lists.items() if ":" not in key]
    lines += ["[errno]", *(f"{key} = {names}" for key, names in errnos.items())]
    for name in dice.sample(HARMLESS, dice.randrange(len(HARMLESS))):
        for _ in range(dice.randrange(1, 4)):
            args = [random_condition(dice) for _ in range(dice.randrange(1, 4))]
            lines += ["[[rule]]", f'syscalls = ["{name}"]', f'action = "{dice.choice(ACTIONS)}"']
            lines += [f"args = {args}"]
    return "\n".join(lines)


def random_condition(dice: random.Random) -> str:
    value, index = dice.choice(EDGES), dice.randrange(5)
    if dice.randrange(2):
        mask = dice.choice((0xFF, 0xFFFFFFFF, 0x7E020000, 1, (1 << 64) - 1))
        return f"arg{index} & {mask:#x} == {value & mask:#x}"
    return f"arg{index} {dice.choice(('==', '!=', '<', '<=', '>', '>='))} {value:#x}"


def values_of(profile: Profile) -> tuple[int, ...]:
    """The numbers that its rules compare with, and those beside them."""
    conditions = [each for rule in profile.rules for each in rule.conditions]
    near = {value for each in conditions for value in (each.value - 1, each.value, each.value + 1)}
    return tuple(sorted(value & (1 << 64) - 1 for value in near))


def of_action(action: Action) -> tuple[int, int]:
    """What made_calls reports where a profile says this."""
    if action.errno is not None:
        return 1, errno_number(action.errno) or 0
    return {"allow": (0, 0), "log": (0, 0), "trap": (2, 0)}.get(action.kind, KILLED_BY_SIGSYS)


def outcome(value: int) -> tuple[int, int]:
    """What made_calls reports where the filter returns ``value``."""
    answer: Verdict = verdict(value)
    if answer.kind == "errno":
        return (1, answer.data) if answer.data else (0, 0)
    nobody_there = (1, errno.ENOSYS)
    return {
        "allow": (0, 0),
        "log": (0, 0),
        "trap": (2, 0),
        "trace": nobody_there,
        "user_notif": nobody_there,
    }.get(answer.kind, KILLED_BY_SIGSYS)


def really(program: Path, found: machine.Program, calls: Sequence[Call]) -> list[tuple[int, int]]:
    """What the kernel did with each call."""
    given = struct.pack("=II", len(found), len(calls))
    given += b"".join(struct.pack("=HBBI", *instruction) for instruction in found)
    given += b"".join(struct.pack("=II6Q", abi == "i386", nr, *args) for abi, nr, args in calls)
    done = subprocess.run([program], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(struct.iter_unpack("=II", done.stdout))


def random_call(dice: random.Random, values: tuple[int, ...] = ()) -> Call:
    abi = dice.choice(("x86_64", "x86_64", "i386"))
    nr = number(abi, dice.choice(HARMLESS))
    assert nr is not None
    args = [dice.choice(EDGES + values) ^ dice.choice((0, 0, 1, 1 << 31)) for _ in range(6)]
    if abi == "i386":
        # The sixth is the frame pointer's register, of which no filter here asks.
        args = [value & 0xFFFFFFFF for value in args[:5]] + [0]
    return abi, nr, tuple(args)


def random_filter(dice: random.Random) -> machine.Program:
    """What the process needs is let through; then come random instructions of every kind."""
    needed = [
        number(abi, name) or 0
        for abi in ("x86_64", "i386")
        for name in ("exit_group", "rt_sigreturn")
    ]
    head: list[machine.Instruction] = []
    for at, abi in enumerate(("x86_64", "i386")):
        for nr in needed[2 * at : 2 * at + 2]:
            head += [
                machine.Instruction(machine.LOAD, 0, 0, machine.ARCH_AT),
                machine.Instruction(0x15, 0, 3, AUDIT_ARCH[abi]),
                machine.Instruction(machine.LOAD, 0, 0, machine.NR_AT),
                machine.Instruction(0x15, 0, 1, nr),
                machine.Instruction(machine.RETURN, 0, 0, ALLOW),
            ]
    body = [random_instruction(dice, left) for left in range(dice.randrange(5, 60), 8, -1)]
    stores = [machine.Instruction(machine.STORE, 0, 0, word) for word in range(16)]
    ends = [machine.Instruction(machine.RETURN, 0, 0, dice.choice(ENDINGS)) for _ in range(9)]
    if dice.randrange(8) == 0:
        ends[dice.randrange(9)] = machine.Instruction(machine.RETURN_A, 0, 0, 0)
    code = [*head, *stores, *body, *ends]
    return machine.program(b"".join(struct.pack("=HBBI", *each) for each in code))


def random_instruction(dice: random.Random, left: int) -> machine.Instruction:
    """One that may stand where at least ``left`` follow, every kind but the returns."""
    k = dice.choice((0, 1, 2, 5, 7, 31, 0xFF, 0xFFFF, 0xFFFFFFFF, dice.getrandbits(32)))
    kind = dice.randrange(10)
    if kind < 4:
        word = dice.choice((0, 4, *range(16, 56, 4)))
        return machine.Instruction(machine.LOAD, 0, 0, word)
    if kind < 7:
        code = 0x05 | dice.choice(machine.TESTS) | dice.choice((0, 0, 8))
        reach = min(left, 8)
        return machine.Instruction(code, dice.randrange(reach), dice.randrange(reach), k)
    if kind < 9:
        code = 0x04 | dice.choice((*range(0x00, 0x80, 0x10), 0xA0)) | dice.choice((0, 0, 8))
        if code & 0xF0 in (0x60, 0x70):
            k %= 32
        return machine.Instruction(code, 0, 0, k or 1)
    code = dice.choice((0x80, 0x81, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x07, 0x87, 0x84))
    return machine.Instruction(code, 0, 0, k % 16 if code in (0x60, 0x61, 0x02, 0x03) else k)
