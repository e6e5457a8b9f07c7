"""Which classes runs show: by a call, by its arguments, by a blocked one; or that is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tracer import syscalls
from tracer.analysis.risk import Finding, find, leave_open, names
from tracer.profile import parse
from tracer.profile.activity import ACTIVITIES
from tracer.query.activity import Acted, Blocked, Made, Program, Way
from tracer.query.observed import Source
from tracer.sandbox import filter as filters

if TYPE_CHECKING:
    from collections.abc import Mapping

NATIVE = syscalls.native_abi()
APP, OTHER = Program("/srv/app", 70, 5), Program("/bin/other", 71, 9)
SOURCE = Source(
    "a" * 12, datetime(2026, 1, 2, tzinfo=UTC), ("app",), "6.18", True, True, 0, "exited", (), 0
)


def nr(name: str) -> int:
    return syscalls.number(NATIVE, name) or 0


def made(name: str, calls: int = 2, blocked: int = 0, program: Program = APP) -> Made:
    return Made(NATIVE, nr(name), name, program, calls, calls // 2, blocked, 1)


def way(name: str, values: Mapping[int, int], program: Program = APP) -> Way:
    return Way(NATIVE, nr(name), name, program, values, 1)


def acted(**changes: Any) -> Acted:
    return Acted((SOURCE,), (), (), (), {}, ())._replace(**changes)


def shown(runs: Acted) -> dict[str, Finding]:
    return {each.activity.name: each for each in find(runs) if each.found}


def test_a_call_shows_its_class_with_each_program_that_made_it() -> None:
    runs = acted(made=(made("mount"), made("umount2", 0, 3, OTHER), made("read")))
    ((name, found),) = shown(runs).items()
    assert name == "mounts"
    assert [(each.program, each.calls, each.blocked) for each in found.evidence] == [
        (APP, 2, 0),
        (OTHER, 0, 3),
    ]


@pytest.mark.parametrize(
    ("name", "values", "classes"),
    [
        ("socket", {0: 17, 1: 3, 2: 0}, ["raw and packet sockets"]),
        ("socket", {0: 17, 1: 2, 2: 0}, ["raw and packet sockets"]),
        ("socket", {0: 2, 1: 3 | 0o2000000, 2: 1}, ["raw and packet sockets", "network"]),
        ("socket", {0: 2, 1: 1, 2: 0}, ["network"]),
        ("socket", {0: 1, 1: 1, 2: 0}, []),
        ("socket", {0: 16, 1: 3, 2: 0}, []),
        ("unshare", {0: 0x400}, []),
        ("unshare", {0: 0x0400_0000}, ["namespaces"]),
        ("clone", {0: 0x3D0F00}, []),
        ("mmap", {2: 7, 3: 0x22}, ["executable memory"]),
        ("mmap", {2: 5, 3: 2}, []),
        ("mprotect", {2: 5}, ["executable memory"]),
        ("mprotect", {2: 1}, []),
        ("ioctl", {1: 0x5412}, ["terminal"]),
        ("ioctl", {1: 0x5401}, []),
    ],
)
def test_where_arguments_decide_the_program_that_gave_them_is_the_evidence(
    name: str, values: dict[int, int], classes: list[str]
) -> None:
    runs = acted(made=(made(name, program=OTHER), made(name)), ways=(way(name, values),))
    found = shown(runs)
    assert list(found) == classes
    for each in found.values():
        (evidence,) = each.evidence
        assert (evidence.program, evidence.calls, evidence.values) == (APP, None, values)


def test_a_blocked_call_shows_its_class_by_its_arguments() -> None:
    call = Blocked(
        *(NATIVE, nr("socket"), "socket", APP, (17, 3, 0, 9, 9, 9), "ERRNO", 1, 4, 1, 100, "b" * 12)
    )
    ((name, found),) = shown(acted(blocked=(call,))).items()
    assert name == "raw and packet sockets"
    (evidence,) = found.evidence
    assert (evidence.calls, evidence.blocked, evidence.values) == (0, 4, {0: 17, 1: 3, 2: 0})


def test_what_is_not_known_of_the_arguments_leaves_a_class_open() -> None:
    why = "one process made it in more ways than are recorded"
    runs = acted(made=(made("unshare"), made("clone3")), unknown={(NATIVE, nr("unshare")): why})
    (found,) = (each for each in find(runs) if each.activity.name == "namespaces")
    assert found.found is None
    assert found.unknown == (
        f"unshare ({NATIVE}): {why}",
        f"clone3 ({NATIVE}): what it asks for lies in memory",
    )
    assert not shown(runs)


@pytest.mark.parametrize("change", [{"counted": False}, {"exact": False}])
def test_a_run_that_is_not_exact_excludes_no_class(change: dict[str, bool]) -> None:
    runs = acted(sources=(SOURCE, SOURCE._replace(**change)), made=(made("bpf"),))
    assert list(shown(runs)) == ["bpf"]
    assert {each.found for each in find(runs)} == {True, None}
    why = "without counts of eBPF" if "counted" in change else "not exact: calls may be missing"
    assert {reason for each in find(runs) for reason in each.unknown} == {f"1 run is {why}"}
    both = runs._replace(sources=(SOURCE._replace(**change),) * 2)
    assert find(both)[0].unknown == (f"2 runs are {why}",)


def test_every_call_that_tells_a_class_is_asked_for() -> None:
    assert {"mount", "socket", "clone3", "execve"} <= {*names()}


def test_a_filter_leaves_open_what_it_lets_through() -> None:
    text = """default_action = "errno:EPERM"
allow = ["read", "bpf"]
[[rule]]
syscalls = ["socket"]
action = "allow"
args = ["socket.domain == AF_INET"]
"""
    program = filters.compile(parse(text, "p.toml")).program()
    found = {each.activity.name: each.calls for each in leave_open((program,)) if each.calls}
    assert found == {
        "raw and packet sockets": (("socket", (2, 3)),),
        "network": (("socket", (2, 1)),),
        "bpf": (("bpf", None),),
    }
    assert all(each.calls for each in leave_open(()))
    assert len(leave_open(())) == len(ACTIVITIES)
