"""A profile of one's own: a copy of another that lets what was blocked through."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer import syscalls
from tracer.profile import load, parse, toml
from tracer.profile.check import check
from tracer.profile.permit import permitting

Call = tuple[str, int, tuple[int, ...]]
AF_INET, AF_INET6, SOCK_STREAM = 2, 10, 1


def call(name: str, *args: int, abi: str = "x86_64") -> Call:
    nr = syscalls.number(abi, name)
    assert nr is not None
    return abi, nr, (*args, *[0] * (6 - len(args)))


REFUSED = (
    call("clone"),
    call("socket", AF_INET, SOCK_STREAM),
    call("socket", AF_INET6, SOCK_STREAM),
    call("openat", 0, 0, 0o102),
    call("ioctl", 0, 0x5412),
    call("mkdir"),
    call("kill"),
    call("prctl", 38),
    call("socketcall", 1, abi="i386"),
    call("getpid", abi="x32"),
)
SOURCES = {
    "default": 'default_action = "kill_process"',
    "log": 'default_action = "log"',
    "log of any ABI": 'default_action = "log"\nabis = ["any"]',
    "lists": """
default_action = "allow"
trap = ["clone", "ioctl"]
errno = {EPERM = ["@network-io"]}
""",
    "refusing rule": """
default_action = "allow"
[[rule]]
syscalls = ["ioctl", "prctl"]
action = "errno:EACCES"
args = [["arg0 & 0xffffffff == 38"], ["arg1 & 0xffffffff == 0x5412"]]
[limits]
core = 0
wall_seconds = 1.5
file_size = "4G"
""",
}


def copied(source: str, *calls: Call) -> str:
    text = permitting(parse(source, "mine.toml", "x86_64"), calls, "own")
    assert text is not None
    return text


@pytest.mark.parametrize("source", [*SOURCES.values(), "STRICT", "RESOURCE-AWARE"])
def test_under_the_copy_every_call_is_allowed_whatever_refused_it(source: str) -> None:
    text = copied(source if "=" in source else load(source).source, *REFUSED)
    profile = parse(text, "own.toml", "x86_64")
    assert profile.name == "own"
    for refused in REFUSED:
        assert str(profile.decide(*refused).action) == "allow", refused


def test_the_copy_changes_nothing_else() -> None:
    before = load("STRICT")
    after = parse(copied(before.source, call("mkdir")), "own.toml")
    assert after.limits == before.limits
    assert after.default_action == before.default_action
    for nr in range(512):
        actions = {str(profile.decide("x86_64", nr).action) for profile in (before, after)}
        assert len(actions) == (2 if nr == call("mkdir")[1] else 1), nr


def test_a_call_that_an_argument_tells_apart_is_allowed_with_that_argument_alone() -> None:
    text = copied('default_action = "kill_process"', call("socket", AF_INET))
    profile = parse(text, "own.toml")
    assert profile.decide(*call("socket", AF_INET)).action.permits
    assert not profile.decide(*call("socket", AF_INET6)).action.permits


def test_of_a_rule_that_refuses_only_the_alternative_that_held_goes() -> None:
    before = load("RESOURCE-AWARE")
    profile = parse(copied(before.source, call("ioctl", 0, 0x5412)), "own.toml")
    assert profile.decide(*call("ioctl", 0, 0x5412)).action.permits
    assert not profile.decide(*call("ioctl", 0, 0x541C)).action.permits


def test_a_call_that_was_logged_is_told_apart_by_its_arguments_too() -> None:
    profile = parse(SOURCES["log"], "log.toml")
    calls = [call("read"), call("socket", AF_INET), call("ioctl", 1, 0x5401)]
    text = permitting(profile, calls, "own")
    assert text is not None
    own = parse(text.replace('"log"', '"kill_process"'), "own.toml")
    assert str(own.decide(*call("socket", AF_INET)).action) == "allow"
    assert str(own.decide(*call("socket", AF_INET6)).action) == "kill_process"
    assert str(own.decide(*call("ioctl", 1, 0x5412)).action) == "kill_process"


def test_a_copy_of_what_was_logged_can_be_made_strict_and_still_start_the_command() -> None:
    """The execve comes before anything is counted, so no run has logged it."""
    text = permitting(parse(SOURCES["log"], "log.toml"), [call("read")], "own")
    assert text is not None
    strict = parse(text.replace('"log"', '"kill_process"'), "own.toml")
    assert str(strict.decide(*call("execve")).action) == "allow"
    assert not [found for found in check(strict) if "execve" in found.message]


NEW_USER = 0x1000_0000
FORK = 0x0120_0011  # CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD


def test_a_copy_for_a_fork_or_a_thread_opens_no_namespace() -> None:
    text = permitting(load("STRICT"), [call("clone", FORK)], "own")
    assert text is not None
    own = parse(text, "own.toml")
    assert str(own.decide(*call("clone", FORK)).action) == "allow"
    assert str(own.decide(*call("clone", 0x3D_0F00)).action) == "allow"  # a thread
    assert str(own.decide(*call("clone", NEW_USER | FORK)).action) == "kill_process"


@pytest.mark.parametrize("source", ["strict", "log", "log of any ABI"])
def test_clone3_is_answered_with_enosys_and_clone_allowed_in_its_place(source: str) -> None:
    """Its flags are in memory, so to allow it would be to allow every namespace."""
    profile = load("STRICT") if source == "strict" else parse(SOURCES[source], "log.toml")
    text = permitting(profile, [call("clone3", 0x7FFF_0000, 88)], "own")
    assert text is not None
    own = parse(text, "own.toml")
    assert str(own.decide(*call("clone3")).action) == "errno:ENOSYS"
    assert str(own.decide(*call("clone", FORK)).action) == "allow"
    assert str(own.decide(*call("clone", NEW_USER)).action) != "allow"


def test_a_clone3_that_was_answered_with_enosys_needs_no_copy() -> None:
    """libc has taken clone: make and every thread under RESOURCE-AWARE."""
    resource_aware = load("RESOURCE-AWARE")
    assert permitting(resource_aware, [call("clone3")], "own") is None
    text = permitting(resource_aware, [call("clone3"), call("socket", AF_INET)], "own")
    assert text is not None
    assert str(parse(text, "own.toml").decide(*call("clone3")).action) == "errno:ENOSYS"


def test_a_call_that_the_copy_lets_through_already_hides_none_after_it() -> None:
    terminal, size, other = (call("ioctl", 0, request) for request in (0x5401, 0x5413, 0x5412))
    table = tomllib.loads(copied('default_action = "trap"', terminal, terminal, size, other))
    (rule,) = table["rule"]
    assert len(rule["args"]) == 3
    assert "ioctl" not in table.get("allow", [])


def test_a_call_made_in_many_ways_is_allowed_whole() -> None:
    many = [call("ioctl", 0, request) for request in range(23)]
    table = tomllib.loads(copied('default_action = "trap"', *many))
    assert table["allow"] == ["ioctl"]
    assert "rule" not in table


def test_where_nothing_was_refused_there_is_no_copy() -> None:
    assert permitting(load("LEARNING"), REFUSED, "own") is None


_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=90)
_PLAIN = st.one_of(_TEXTS, st.integers(-(2**63), 2**63 - 1), st.booleans())
_LISTS = st.lists(st.one_of(_TEXTS, st.lists(_TEXTS, min_size=1)), max_size=9)
_TABLE = st.dictionaries(_TEXTS, st.one_of(_PLAIN, _LISTS), max_size=4)
_TABLES = st.lists(_TABLE, min_size=1, max_size=3)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(_TEXTS, st.one_of(_PLAIN, _LISTS, _TABLE, _TABLES), max_size=5))
def test_what_is_written_reads_as_it_was(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml.dumps(table)) == table
