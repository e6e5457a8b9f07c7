"""Conditions in the kernel's words: the filter answers every value that they could mean."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import machine, parse
from tracer.profile.verdicts import verdict
from tracer.sandbox import filter as filter_
from tracer.words import arguments, constants, lookup

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'default_action = "errno:EPERM"\n'
INT = 0xFFFF_FFFF
GARBAGE = (0, 0xDEADBEEF << 32)
"""What may stand in the half of a register that the kernel does not look at."""
Truth = Callable[..., bool]


def rule(call: str, *args: str, action: str = "allow") -> str:
    return f'[[rule]]\nsyscalls = ["{call}"]\naction = "{action}"\nargs = {list(args)}\n'


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


# Conditions, the registers that decide with values worth trying, and what is meant of their ints.
CASES: list[tuple[str, tuple[str, ...], dict[int, tuple[int, ...]], Truth]] = [
    ("socket", ('socket.domain in ["AF_UNIX", "AF_INET"]',), {0: (1, 2)}, lambda d: d in (1, 2)),
    ("socket", ("socket.domain not in [AF_UNIX, 10]",), {0: (1, 10)}, lambda d: d not in (1, 10)),
    ("socket", ("socket.family != AF_UNIX",), {0: (1,)}, lambda d: d != 1),
    (
        "socket",
        ("socket.domain == AF_UNIX", "socket.type & ~(SOCK_CLOEXEC|SOCK_NONBLOCK) == SOCK_STREAM"),
        {0: (1,), 1: (1, 0o2000001, 0o4001, 0o2004001, 0o2000002)},
        lambda d, t: d == 1 and t & ~0o2004000 == 1,
    ),
    (
        "socketpair",
        ("socketpair.domain != AF_UNIX", "socketpair.type in [SOCK_DGRAM]"),
        {0: (1,), 1: (2,)},
        lambda d, t: d != 1 and t == 2,
    ),
    ("clone", ("clone.flags & CLONE_NEWUSER == 0",), {0: (1 << 28,)}, lambda f: not f & 1 << 28),
    ("clone", ("clone.flags & CLONE_NEWUSER != 0",), {0: (1 << 28,)}, lambda f: bool(f & 1 << 28)),
    (
        "unshare",
        ("unshare.flags & (CLONE_NEWNS | CLONE_NEWPID) != 0",),
        {0: (0x20000, 0x20000000, 0x20020000)},
        lambda f: bool(f & 0x20020000),
    ),
    (
        "unshare",
        ('unshare.flags & "CLONE_NEWNS|CLONE_NEWPID" == CLONE_NEWNS',),
        {0: (0x20000, 0x20000000, 0x20020000)},
        lambda f: f & 0x20020000 == 0x20000,
    ),
    ("setns", ("setns.nstype == CLONE_NEWNET",), {1: (1 << 30,)}, lambda f: f == 1 << 30),
    ("prctl", ('prctl.option == "PR_SET_NAME"',), {0: (15,)}, lambda o: o == 15),
    (
        "prctl",
        ("prctl.option not in ['PR_SET_NAME', 'PR_GET_NAME', 38]",),
        {0: (15, 16, 38)},
        lambda o: o not in (15, 16, 38),
    ),
    ("ioctl", ("ioctl.request == TCGETS",), {1: (0x5401,)}, lambda r: r == 0x5401),
    ("ioctl", ("ioctl.cmd & 0xff00 == 0x5400",), {1: (0x5401,)}, lambda r: r & 0xFF00 == 0x5400),
    ("fcntl", ("fcntl.cmd < F_SETOWN",), {1: (8,)}, lambda c: c < 8),
    (
        "fcntl",
        ("fcntl.cmd == F_SETFL", "fcntl.arg & O_ASYNC == 0"),
        {1: (4,), 2: (0x2000, 0x3000)},
        lambda c, a: c == 4 and not a & 0x2000,
    ),
    ("mmap", ("mmap.prot & PROT_EXEC == 0",), {2: (4, 7)}, lambda p: not p & 4),
    (
        "mprotect",
        ("mprotect.prot & (PROT_WRITE|PROT_EXEC) != PROT_WRITE|PROT_EXEC",),
        {2: (2, 4, 6, 7)},
        lambda p: p & 6 != 6,
    ),
    ("mprotect", ("mprotect.prot & 6 < 4",), {2: (2, 4, 6, 7)}, lambda p: p & 6 < 4),
    ("kill", ("kill.pid > 0",), {0: (0, INT, 1 << 31)}, lambda p: signed(p) > 0),
    ("kill", ("kill.pid >= -1", "kill.sig == SIGTERM"), {0: (0, INT), 1: (15,)},
     lambda p, s: signed(p) >= -1 and s == 15),
    ("kill", ("kill.pid != -1",), {0: (INT,)}, lambda p: p != INT),
    ("tgkill", ("tgkill.sig in [0, SIGUSR1]",), {2: (0, 10)}, lambda s: s in (0, 10)),
    ("personality", ("personality.persona in [PER_LINUX, 0xffffffff]",), {0: (0, INT)},
     lambda p: p in (0, INT)),
    ("setsockopt", ("setsockopt.level == SOL_SOCKET", "setsockopt.optname != SO_MARK"),
     {1: (1,), 2: (36,)}, lambda level, name: level == 1 and name != 36),
    ("bpf", ("bpf.cmd <= BPF_MAP_DELETE_ELEM",), {0: (3,)}, lambda c: c <= 3 or c >> 31 == 1),
    ("keyctl", ("keyctl.operation in [KEYCTL_READ, KEYCTL_SEARCH]",), {0: (10, 11)},
     lambda o: o in (10, 11)),
    ("openat", ("openat.dfd == AT_FDCWD",), {0: (INT - 99,)}, lambda fd: fd == INT - 99),
    ("setpriority", ("setpriority.niceval > 3", "setpriority.niceval <= 7"), {2: (3, 7, INT)},
     lambda n: 3 < signed(n) <= 7),
    ("fcntl", ("fcntl.cmd > 3", "fcntl.cmd != 6", "fcntl.cmd < 9"), {1: (3, 6, 9)},
     lambda c: 3 < c < 9 and c != 6),
]  # fmt: skip


def tried(values: tuple[int, ...]) -> list[int]:
    """Each value and its neighbours, the ends of the range, and single bits."""
    near = {value + step for value in values for step in (-1, 0, 1)} | {0, 1, INT, 1 << 31}
    return sorted(value for value in near if 0 <= value <= INT)


def registers(given: dict[int, tuple[int, ...]]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ints of the arguments that decide, and six registers that hold them."""
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), (7,) * 6)]
    for index, values in given.items():
        found = [
            ((*ints, value), (*args[:index], value | garbage, *args[index + 1 :]))
            for ints, args in found
            for value in tried(values)
            for garbage in GARBAGE
        ]
    return found


@pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86_64")
@pytest.mark.parametrize("beside", ["", "trap", "rule"])
@pytest.mark.parametrize(("call", "texts", "given", "meant"), CASES)
def test_a_condition_in_words_means_the_same_to_profile_and_filter(
    call: str, texts: tuple[str, ...], given: dict[int, tuple[int, ...]], meant: Truth, beside: str
) -> None:
    """Alone, with the call listed, and beside another rule; whatever the upper bits are."""
    more = {
        "": "",
        "trap": f'trap = ["{call}"]\n',
        "rule": rule(call, "arg5 == 99"),
    }[beside]
    front, behind = (more, "") if beside == "trap" else ("", more)
    profile = parse(HEAD + front + rule(call, *texts) + behind, "words.toml")
    program = filter_.compile(profile).program()
    nr = syscalls.number("x86_64", call) or 0
    otherwise = "trap" if beside == "trap" else "errno:EPERM"
    answers = set()
    for ints, args in registers(given):
        wanted = "allow" if meant(*ints) else otherwise
        assert str(profile.decide("x86_64", nr, args).action) == wanted, (ints, args)
        assert str(verdict(machine.run(program, "x86_64", nr, args))) == wanted, (ints, args)
        answers.add(wanted)
    assert answers == {"allow", otherwise}


@pytest.mark.parametrize(
    ("call", "text", "message"),
    [
        ("socket", "socket.domian == 1", '"socket" has no argument "domian" (did you mean "domain'),
        ("socket", "socket.domain == AF_INETT", 'unknown word "AF_INETT" for socket.domain (did'),
        ("socket", "socket.type == AF_INET", '"AF_INET" is no value of socket.type: those begin'),
        ("socket", "clone.flags == 0", '"clone.flags" is about another call, whose rule is for'),
        ("socket", "sockte.domain == 0", 'another call (did you mean "socket"?)'),
        ("socket", "socket.domain == 0x100000000", "is out of range: socket.domain has 32 bits"),
        ("socket", "socket.domain & 0x100000000 == 0", "0x100000000 is out of range"),
        ("socket", "socket.domain & 3 == 4", "can never hold"),
        ("socket", "socket.domain & 0 == 0", "a mask of 0"),
        ("socket", "socket.domain in []", "the list is empty"),
        ("socket", "socket.domain in AF_UNIX", 'after "in" comes a list'),
        ("socket", "socket.domain == AF_UNIX AF_INET", "is no value"),
        ("socket", "socket.domain == (AF_UNIX", "out of place"),
        ("socket", "socket.domain == AF_UNIX |", "a value is missing"),
        ("socket", "socket.domain == $families", 'unknown variable "$families"'),
        ("socket", "socket.domain = AF_UNIX", "a condition is written"),
        ("kill", "kill.pid < -2147483648", "never holds"),
        ("kill", "kill.pid >= -2147483648", "always holds"),
        ("kill", "kill.pid == -2147483649", "out of range"),
        ("syscall_0x1f0", "syscall_0x1f0.flags == 0", "use arg0 to arg5"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_refused_with_its_line_and_what_is_near(
    call: str, text: str, message: str
) -> None:
    """File, line, the word, and words that it might have been."""
    source = HEAD + rule(call, text).replace("args = [", "args = [\n\n")
    line = source[: source.index(text)].count("\n") + 1
    with pytest.raises(ProfileError) as caught:
        parse(source, "w.toml")
    assert str(caught.value).startswith(f"w.toml:{line}: ")
    assert message in str(caught.value)


def test_a_rule_with_the_default_action_stands_beside_an_entry_with_another() -> None:
    """libseccomp has no such rule, so the entry is given everywhere else."""
    rules = rule("socket", "socket.domain == AF_INET", action="errno:EPERM")
    rules += rule("socket", "socket.domain == AF_UNIX", "socket.type == SOCK_RAW", action="trap")
    profile = parse(f'{HEAD}allow = ["socket"]\n{rules}', "words.toml", "x86_64")
    program = filter_.compile(profile).program()
    nr = syscalls.number("x86_64", "socket") or 0
    for ints, args in registers({0: (1, 2), 1: (3,)}):
        wanted = {(1, 3): "trap"}.get(ints, "errno:EPERM" if ints[0] == 2 else "allow")
        assert str(profile.decide("x86_64", nr, args).action) == wanted
        assert str(verdict(machine.run(program, "x86_64", nr, args))) == wanted, (ints, args)


def test_conditions_that_exclude_each_other_or_come_to_too_much_are_refused() -> None:
    """A rule that never holds is a mistake; a filter has room for so many only."""
    with pytest.raises(ProfileError, match="can never hold together"):
        parse(HEAD + rule("socket", "socket.domain == 1", "socket.domain > 1"), "w.toml")
    with pytest.raises(ProfileError, match="more than 256 rules"):
        parse(HEAD + rule("socket", "socket.domain != 1", "socket.type != 1"), "w.toml")


def test_a_name_holds_for_calls_whose_argument_is_in_the_same_place() -> None:
    """socket and socketpair both have their domain first; their fourth arguments differ."""
    one = rule("socket", "socket.domain == AF_UNIX")
    text = HEAD + one.replace('["socket"]', '["socket", "socketpair"]')
    profile = parse(text, "w.toml")
    assert sorted(profile.conditional) == ["socket", "socketpair"]
    with pytest.raises(ProfileError, match='"listen" has no such argument'):
        parse(text.replace("socketpair", "listen"), "w.toml")


def test_arguments_that_stand_elsewhere_on_another_abi_have_no_name_there() -> None:
    """i386's mmap takes them from memory."""
    text = 'abis = ["native", "i386"]\n' + HEAD + rule("mmap", "mmap.prot & PROT_EXEC == 0")
    with pytest.raises(ProfileError, match="x86_64, i386 differ in where"):
        parse(text, "w.toml", "x86_64")


def test_what_is_explained_is_what_was_written() -> None:
    """Not the equalities that it comes to."""
    profile = parse(HEAD + rule("socket", "socket.domain not in [AF_INET]"), "w.toml")
    assert len(profile.rules) == 32
    assert {entry.holds_if for entry in profile.rules} == {("socket.domain not in [AF_INET]",)}


def test_every_named_family_and_other_name_is_of_an_argument_that_exists() -> None:
    """The tables that were written by hand fit the one that was generated."""
    for place in lookup._PREFIXES:
        call, name = place.split(".")
        assert name in dict(arguments.ARGUMENTS[call]), place
        assert lookup.words(lookup._PREFIXES[place]), place
    for call, names in lookup._MANUAL.items():
        assert max(names.values()) < len(arguments.ARGUMENTS[call]), call
    assert all(
        name in dict(arguments.ARGUMENTS[c]) for c in lookup._NARROW for name in lookup._NARROW[c]
    )


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the table is that of x86-64")
def test_the_words_have_the_values_of_this_machines_headers(tmp_path: Path) -> None:
    """Those that its headers define; names that say what is the newest or the last may move."""
    headers = ("linux/prctl.h", "linux/sched.h", "linux/keyctl.h", "sys/socket.h", "linux/fs.h",
               "fcntl.h", "sys/mman.h", "asm/ioctls.h", "linux/personality.h")  # fmt: skip
    lines = "".join(
        f'#ifdef {name}\n_Static_assert((unsigned long long)({name}) == {value:#x}ULL, "{name}");\n'
        "#endif\n"
        for name, value in constants.NUMBERS.items()
        if name.startswith(("PR_", "CLONE_", "KEYCTL_", "AF_", "F_", "O_", "MAP_", "PROT_", "TC"))
        and name != "O_LARGEFILE"  # 0 in libc's own headers
    )
    source = tmp_path / "words.c"
    source.write_text(
        "#define _GNU_SOURCE\n" + "".join(f"#include <{h}>\n" for h in headers) + lines
    )
    done = subprocess.run(
        ["gcc", "-fsyntax-only", source], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
