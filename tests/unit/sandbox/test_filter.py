"""What libseccomp compiles decides as the profile says, by the machine of ``profile.machine``."""

from __future__ import annotations

import platform

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import Profile, load, machine, parse
from tracer.profile.cases import surface
from tracer.profile.records import MULTIPLEXED
from tracer.profile.verdicts import verdict
from tracer.sandbox import filter as filter_

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the ABIs in these profiles are those of x86_64"
)
EDGES = (0, 1, 2, 5, 0xFFFF, 0xFFFFFFFF, 1 << 32, (1 << 32) + 5, 1 << 63, (1 << 64) - 1)
NAMES = ("read", "socket", "ioctl", "clone", "shmat", "mmap", "cachestat", "file_setattr")
ACTIONS = ("allow", "log", "trap", "kill_thread", "kill_process", "errno:EPERM", "errno:EACCES")
OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


def numbers(abi: str, profile: Profile) -> set[int]:
    """Numbers worth trying: those the profile names, their neighbours, and some of no call."""
    named = set().union(*(rule.syscalls for rule in profile.rules)) | {"socketcall", "ipc"}
    known = {nr for name in named if (nr := syscalls.number(abi, name)) is not None}
    bit = syscalls.X32_BIT if abi == "x32" else 0
    return known | {nr + 1 for nr in known} | {bit | nr for nr in (0, 1, 333, 1000)}


def assert_same(profile: Profile, calls: list[tuple[int, ...]]) -> None:
    """Both decide alike on every ABI, for every number and arguments given."""
    compiled = filter_.compile(profile)
    instructions = compiled.program()
    left_out = {(entry.abi, entry.name) for entry in compiled.unfiltered}
    for abi in ("x86_64", "i386", "x32"):
        for nr in sorted(numbers(abi, profile)):
            for args in calls:
                if syscalls.ABI_32BIT & {abi} and max(args) > 0xFFFFFFFF and abi == "i386":
                    continue  # no 32-bit program has such a register
                decided = profile.decide(abi, nr, args).action
                if (abi, syscalls.name(abi, nr)) in left_out:
                    decided = profile.default_action
                got = machine.run(instructions, abi, nr, args)
                assert str(verdict(got)) == str(decided), (abi, nr, syscalls.name(abi, nr), args)


@pytest.mark.parametrize("name", ["STRICT", "RESOURCE-AWARE"])
def test_a_shipped_profile_compiles_to_what_it_says(name: str) -> None:
    """Every number of every ABI, with arguments at the edges."""
    calls = [(a, b, a, b, a, b) for a in (0, 1, 15, 0o101, 0x5401) for b in (0, 0x5401, 0x5412)]
    assert_same(load(name), calls)


@pytest.mark.parametrize("name", ["STRICT", "RESOURCE-AWARE"])
def test_what_is_said_of_a_compiled_profile_is_what_it_decides(name: str) -> None:
    """Of every call that no argument decides, on every ABI."""
    profile = load(name)
    compiled = filter_.compile(profile).program()
    for abi in ("x86_64", "i386", "x32"):
        for call, cases in surface([compiled], abi).calls.items():
            nr = syscalls.number(abi, call)
            assert nr is not None
            decided = profile.decide(abi, nr).action
            assert cases.cases or str(cases.otherwise) == str(decided), (abi, call)


conditions = st.builds(
    lambda index, mask, op, value: (
        f"arg{index} & {mask:#x} == {value & mask:#x}" if mask else f"arg{index} {op} {value:#x}"
    ),
    st.integers(0, 2),
    st.sampled_from((0, 0, 0xFFFFFFFF, 1, 3, 0xF00000001)),
    st.sampled_from(OPERATORS),
    st.sampled_from(EDGES),
)
rules = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(ACTIONS),
        st.lists(conditions, min_size=1, max_size=3, unique_by=lambda text: text[:4]),
    ),
    max_size=4,
)
lists = st.dictionaries(
    st.sampled_from([*NAMES, "@ipc", "@network-io", "socketcall", "ipc"]),
    st.sampled_from(ACTIONS),
    max_size=5,
)
abis = st.sampled_from((["native"], ["native"], ["native", "i386"], ["native", "i386", "x32"]))


def written(
    default: str, named: dict[str, str], ruled: list[tuple[str, str, list[str]]], abi: list[str]
) -> str:
    """The TOML text of a profile."""
    text = [f'default_action = "{default}"', f"abis = {abi}"]
    for action in ("allow", "log", "trap", "kill_thread", "kill_process"):
        text.append(f"{action} = {[name for name, to in named.items() if to == action]}")
    text.append("[errno]")
    for errno_name in ("EPERM", "EACCES"):
        text.append(
            f"{errno_name} = {[n for n, to in named.items() if to == 'errno:' + errno_name]}"
        )
    for name, action, args in ruled:
        text += ["[[rule]]", f'syscalls = ["{name}"]', f'action = "{action}"', f"args = {args}"]
    return "\n".join(text)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.sampled_from(ACTIONS),
    lists,
    rules,
    abis,
    st.lists(st.tuples(*[st.sampled_from(EDGES)] * 6), min_size=5, max_size=25),
)
def test_any_profile_that_is_accepted_compiles_to_what_it_says(
    default: str,
    named: dict[str, str],
    ruled: list[tuple[str, str, list[str]]],
    abi: list[str],
    calls: list[tuple[int, ...]],
) -> None:
    """Random lists, rules, masks and ABIs: the filter equals the profile, or there is an error."""
    try:
        profile = parse(written(default, named, ruled, abi), "random.toml")
        filter_.compile(profile)
    except ProfileError:
        return
    assert_same(profile, calls)


@pytest.mark.parametrize("name", sorted(MULTIPLEXED & syscalls.names("x86_64")))
def test_a_call_within_socketcall_or_ipc_is_refused_also_without_a_number_of_its_own(
    name: str,
) -> None:
    """semop has none on i386: only ipc's first argument tells it, and the filter looks there."""
    profile = parse(written("allow", {name: "errno:EPERM"}, [], ["native", "i386"]), "one.toml")
    calls = [(selector, 0, 0, 0, 0, 0) for selector in range(30)]
    assert_same(profile, calls)
    ways = [syscalls.number("i386", way) or 0 for way in ("socketcall", "ipc")]
    decided = [profile.decide("i386", way, args).action for way in ways for args in calls]
    assert sum(action != profile.default_action for action in decided) == 1


def test_what_refuses_some_calls_of_a_name_is_never_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where libseccomp has no such name on an ABI, and another rule lets some of them pass."""
    import pyseccomp

    monkeypatch.setattr(pyseccomp, "resolve_syscall", lambda *_: -1)
    head = 'default_action = "errno:EPERM"\nabis = ["native", "i386"]\n'
    rule = '[[rule]]\nsyscalls = ["personality"]\naction = "{}"\nargs = ["arg0 == {}"]\n'
    compiled = filter_.compile(parse(head + rule.format("allow", 1), "some.toml"))
    assert [(left.abi, left.name) for left in compiled.unfiltered] == [("i386", "personality")]
    both = head + rule.format("allow", 1) + rule.format("trap", 2)
    with pytest.raises(ProfileError, match='cannot refuse "personality" on i386'):
        filter_.compile(parse(both, "some.toml"))
