"""What stands ahead of libseccomp's program: calls newer than the profile, and a single execve."""

from __future__ import annotations

import platform
import struct

import pytest

from tracer import syscalls
from tracer.errors import FilterError, ProfileError
from tracer.profile import Profile, machine, newer, parse
from tracer.profile.cases import of_call
from tracer.profile.check import check
from tracer.profile.records import ALLOW, Action
from tracer.profile.verdicts import verdict
from tracer.sandbox import filter as filter_
from tracer.sandbox.prepared import PreparedFilter

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86_64")
NEWER = 'unknown = "errno:ENOSYS"\n'
ONCE = 'exec = "once"\n'
LISTS = 'allow = ["read", "execve", "@sync", "file_setattr", "syscall_0x1f4"]\n'
FEW = 'allow = ["read", "execve", "@sync"]\n'
RULE = '[[rule]]\nsyscalls = ["setxattrat"]\naction = "allow"\nargs = ["arg0 == 1"]\n'
ABIS = 'abis = ["native", "i386", "x32"]\n'
PROFILES = [
    'default_action = "errno:EPERM"\n' + NEWER,
    'default_action = "kill_process"\nknows = "6.12"\n' + NEWER + LISTS + RULE,
    'default_action = "log"\nknows = "5.1"\nunknown = "kill_process"\n' + FEW + ABIS,
    'default_action = "errno:EPERM"\n' + ONCE + LISTS,
    'default_action = "allow"\n' + ONCE + ABIS + '[errno]\nEACCES = ["execveat"]\n',
    'default_action = "trap"\nknows = "6.6"\n' + NEWER + ONCE + ABIS + LISTS + RULE,
]
ARGS = [(0,) * 6, (1, 2, 3, 4, 5, 6), (1,) + (0,) * 5]


def tried(abi: str) -> list[int]:
    """Every number that a table has or could have soon, and the ends of the ranges."""
    bit = syscalls.X32_BIT if abi == "x32" else 0
    ends = [0x3FFFFFFE, 0x3FFFFFFF] if abi == "x86_64" else [0xFFFFFFFE]
    strange = [0xFFFFFFFF] if abi != "x32" else []
    return [bit | nr for nr in range(600)] + ends + strange + [983041, 983045][: abi == "i386"]


@pytest.mark.parametrize("text", PROFILES)
def test_newer_calls_and_execs_are_decided_as_the_profile_says(text: str) -> None:
    """Every number of every ABI, by the machine."""
    profile = parse(text, "prologue.toml")
    compiled = filter_.compile(profile)
    program = compiled.program()
    left_out = {(entry.abi, entry.name) for entry in compiled.unfiltered}  # libseccomp's age
    for abi in ("x86_64", "i386", "x32"):
        for nr in tried(abi):
            if (abi, syscalls.name(abi, nr)) in left_out:
                continue
            for args in ARGS:
                got = str(verdict(machine.run(program, abi, nr, args)))
                assert got == str(profile.decide(abi, nr, args).action), (abi, hex(nr))


def decided(text: str, name: str) -> str:
    return str(
        parse(text, "prologue.toml").decide("x86_64", syscalls.number("x86_64", name) or 0).action
    )


@pytest.mark.parametrize(
    ("name", "since"),
    [
        ("pidfd_send_signal", (5, 1)), ("fspick", (5, 2)), ("clone3", (5, 3)), ("openat2", (5, 6)),
        ("close_range", (5, 9)), ("faccessat2", (5, 8)), ("process_madvise", (5, 10)),
        ("epoll_pwait2", (5, 11)), ("mount_setattr", (5, 12)), ("landlock_restrict_self", (5, 13)),
        ("quotactl_fd", (5, 14)), ("memfd_secret", (5, 14)), ("process_mrelease", (5, 15)),
        ("futex_waitv", (5, 16)), ("set_mempolicy_home_node", (5, 17)), ("cachestat", (6, 5)),
        ("fchmodat2", (6, 6)), ("map_shadow_stack", (6, 6)), ("futex_requeue", (6, 7)),
        ("lsm_list_modules", (6, 8)), ("mseal", (6, 10)), ("removexattrat", (6, 13)),
        ("open_tree_attr", (6, 15)), ("file_setattr", (6, 17)),
    ],
)  # fmt: skip
def test_a_call_is_newer_than_the_kernels_before_the_one_that_brought_it(
    name: str, since: tuple[int, int]
) -> None:
    """By the man pages and the notes of the releases."""
    nr = syscalls.number("x86_64", name) or 0
    major, minor = since
    before = (major, minor - 1) if minor else (major - 1, 19)
    assert not newer.is_newer("x86_64", nr, since)
    assert before < newer.OLDEST or newer.is_newer("x86_64", nr, before)


def test_newer_is_what_no_kernel_up_to_the_version_has_and_no_entry_covers() -> None:
    """Numbers above its last one, gaps below it, and what came into a gap later."""
    text = PROFILES[1]
    assert decided(text, "mseal") == "kill_process"  # 462, of 6.10
    assert decided(text, "getxattrat") == "errno:ENOSYS"  # 464, of 6.13
    assert decided(text, "setxattrat") == "kill_process"  # a rule that does not hold names it
    assert decided(text, "file_setattr") == "allow"  # 469, of 6.17, but an entry names it
    assert decided(text, "uretprobe") == "kill_process"  # 335, of 6.11
    assert decided(text, "uprobe") == "errno:ENOSYS"  # 336, of 6.18
    assert decided(text, "syscall_0x180") == "errno:ENOSYS"  # 384, of no kernel
    assert decided(text, "syscall_0xffffffff") == "kill_process"  # a tracer's -1 is no call


def test_the_newest_version_names_every_call_of_the_table() -> None:
    """A newer table needs a newer version: docs of the release say which."""
    for abi in syscalls.ABIS:
        for name in syscalls.names(abi):
            nr = syscalls.number(abi, name) or 0
            assert not newer.is_newer(abi, nr, newer.NEWEST), (abi, name)


def program_with(profile: Profile, words: tuple[int, ...]) -> machine.Program:
    """The filter with a secret of the test's."""
    compiled = filter_.compile(profile)
    code = bytearray(compiled.code())
    for at, word in zip(compiled.secret_at, words, strict=True):
        struct.pack_into("=I", code, 8 * at + 4, word)
    return machine.program(bytes(code))


def test_only_the_whole_secret_lets_the_one_execve_through() -> None:
    """Each bit of it counts, in the fifth and sixth argument; no other number has any."""
    profile = parse(PROFILES[5], "prologue.toml")
    words = (0x01234567, 0x89ABCDEF, 0xFEDCBA98, 0x76543210)
    program = program_with(profile, words)
    right = (1, 2, 3, 4, words[0] | words[1] << 32, words[2] | words[3] << 32)
    execve = syscalls.number("x86_64", "execve") or 0
    assert str(verdict(machine.run(program, "x86_64", execve, right))) == "allow"
    for index in (4, 5):
        for bit in range(64):
            args = [*right]
            args[index] ^= 1 << bit
            assert str(verdict(machine.run(program, "x86_64", execve, args))) == "trap"
    for abi, nr in (("x86_64", 322), ("x86_64", 520), ("x32", 520 | 1 << 30), ("i386", 11)):
        assert not verdict(machine.run(program, abi, nr, right)).permits


def test_every_guess_of_the_secret_takes_the_same_instructions() -> None:
    """How long an answer takes tells nothing of a word that was right by itself."""
    profile = parse(PROFILES[3], "prologue.toml")
    program = program_with(profile, (1, 2, 3, 4))
    branches = [each for each in program[:40] if each.is_test]
    assert len([each for each in branches if each.k == 0]) == 1


def test_a_filter_in_force_is_said_to_let_one_execve_through() -> None:
    """`sbtrace filter` follows the comparison of the secret, though it is no plain one."""
    program = program_with(parse(PROFILES[3], "prologue.toml"), (1, 0, 2, 0))
    cases = of_call([program], "x86_64", 59)
    assert [(case.conditions, str(case.verdict)) for case in cases.cases] == [
        (("arg4 == 1", "arg5 == 2"), "allow")
    ]
    assert str(cases.otherwise) == "errno:EPERM"


def test_other_calculations_with_arguments_are_still_not_followed() -> None:
    """Only a comparison with 0 is what is known of such a sum."""
    load = machine.Instruction(machine.LOAD, 0, 0, machine.ARGS_AT)
    flip = machine.Instruction(0x04 | machine.XOR, 0, 0, 7)
    above = machine.Instruction(0x05 | machine.GREATER, 0, 0, 0)
    end = machine.Instruction(machine.RETURN, 0, 0, 0)
    with pytest.raises(FilterError, match="not followed"):
        of_call([(load, flip, above, end)], "x86_64", 1)


def test_the_secret_is_drawn_anew_for_each_launch() -> None:
    """And no filter without one has any."""
    compiled = filter_.compile(parse(PROFILES[3], "prologue.toml"))
    drawn = {PreparedFilter(compiled.code(), compiled.secret_at).secret() for _ in range(5)}
    assert len(drawn) == 5
    assert all(len(secret) == 2 and min(secret) > 0 for secret in drawn)
    assert PreparedFilter(b"").secret() == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('exec = "twice"', 'exec is "once"'),
        ("exec = true", 'exec is "once"'),
        ('unknown = "errno:ENOSIS"', 'unknown error "ENOSIS" (did you mean "ENOSYS"?)'),
        ('knows = "6.12"', "knows says nothing without unknown"),
        ('unknown = "trap"\nknows = "4.19"', 'from "5.1" to'),
        ('unknown = "trap"\nknows = 6.12', "not 6.12"),
        ('abis = ["any"]\nunknown = "trap"', 'abis = ["any"]'),
        ('abis = ["any"]\nexec = "once"', 'abis = ["any"]'),
        (ONCE + RULE.replace("setxattrat", "execve"), "take it out of this [[rule]]"),
    ],
)
def test_a_wrong_use_is_refused_with_its_remedy(text: str, message: str) -> None:
    """Each is one line."""
    with pytest.raises(ProfileError) as caught:
        parse('default_action = "allow"\n' + text, "prologue.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("prologue.toml:")


def test_exec_once_lets_a_command_be_started_that_no_list_allows() -> None:
    """So that nobody is told to list it."""
    text = 'default_action = "kill_process"\nallow = ["exit_group", "rt_sigreturn"]\n'
    told = [finding.message for finding in check(parse(text, "prologue.toml"))]
    assert any(message.startswith("execve is") for message in told)
    told = [finding.message for finding in check(parse(ONCE + text, "prologue.toml"))]
    assert not any(message.startswith("execve is") for message in told)
    profile = parse(ONCE + 'default_action = "allow"', "prologue.toml")
    assert profile.again == Action("errno", "EPERM")
    assert ALLOW not in {profile.decide("x86_64", nr).action for nr in (59, 322, 520, 545)}
