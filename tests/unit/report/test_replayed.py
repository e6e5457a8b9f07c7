"""What a profile would have refused of recorded runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.profile import parse
from tracer.query.observed import Source
from tracer.query.recorded_calls import Recorded, RecordedCall
from tracer.report import replayed
from tracer.sandbox import filter as filters

if TYPE_CHECKING:
    from tracer.report.replayed import Replayed

NATIVE = syscalls.native_abi()
UNIX, INET, NETLINK = 1, 2, 16
TEXT = """
name = "tried"
default_action = "kill_process"
allow = ["read"]
[errno]
EACCES = ["mount"]
ENOSYS = ["clone3"]
[[rule]]
syscalls = ["socket"]
action = "allow"
args = [["arg0 == 1"], ["arg0 == 2", "arg1 & 0xf == 1"]]
"""
CLONE = '[[rule]]\nsyscalls = ["clone"]\naction = "allow"\nargs = ["arg0 & 0x7e020000 == 0"]\n'
SOURCE = Source(
    "a" * 12, datetime(2026, 1, 2, tzinfo=UTC), ("demo",), "6.18", True, True, 0, "exited", (), 0
)


def made(name: str, *known: dict[int, int], complete: bool = False, calls: int = 3) -> RecordedCall:
    nr = syscalls.number(NATIVE, name) or 0
    return RecordedCall(SOURCE.run_id, 1, 70, 0, "demo", NATIVE, nr, name, calls, known, complete)


def replay(*calls: RecordedCall, source: Source = SOURCE, text: str = TEXT) -> Replayed:
    profile = parse(text, "tried.toml")
    recorded = Recorded((source,), calls)
    (found,) = replayed.replayed(profile, filters.compile(profile).program(), recorded).runs
    return found


def test_a_run_passes_whose_calls_are_all_allowed() -> None:
    assert replay(made("read")).passed is True


def test_a_refused_call_is_named_with_its_processes_and_line() -> None:
    found = replay(made("mount"), made("ptrace"))
    assert found.passed is False
    assert [
        (row.syscall, row.answer.action, row.answer.line, row.by, row.calls) for row in found.rows
    ] == [
        ("mount", "errno:EACCES", 6, ("demo (pid 70)",), 3),
        ("ptrace", "kill_process", None, ("demo (pid 70)",), 3),
    ]


def test_where_arguments_decide_and_were_not_recorded_it_is_not_known() -> None:
    found = replay(made("socket"))
    assert found.passed is None
    assert "(line 11)" in found.rows[0].answer.reason


@pytest.mark.parametrize(
    ("known", "complete", "passed"),
    [
        (({0: UNIX},), True, True),
        (({0: UNIX},), False, None),
        (({0: NETLINK},), False, False),
        (({0: UNIX}, {0: NETLINK}), True, False),
        (({0: INET},), True, None),
        (({0: INET, 1: 1 | 0x80000},), True, True),
        (({0: INET, 1: 3},), True, False),
        (({0: UNIX | 1 << 32},), True, False),
    ],
)
def test_recorded_arguments_decide_as_far_as_they_are_known(
    known: tuple[dict[int, int], ...], complete: bool, passed: bool | None
) -> None:
    """By the whole register, and only if every way in which the call was made is known."""
    assert replay(made("socket", *known, complete=complete)).passed is passed


def test_clone3_under_enosys_passes_only_where_clone_is_let_through() -> None:
    assert replay(made("clone3"), text=TEXT + CLONE).passed is True
    assert replay(made("clone3")).passed is False


def test_a_run_that_is_not_exact_does_not_pass_by_silence() -> None:
    assert replay(made("read"), source=SOURCE._replace(exact=False)).passed is None
    assert replay(source=SOURCE._replace(counted=False)).passed is None


def test_a_run_of_which_it_is_not_known_is_no_refused_one_in_the_first_line() -> None:
    profile = parse(TEXT, "tried.toml")
    runs = [replay(made("read")), replay(made("socket"))]
    assert [run.passed for run in runs] == [True, None]
    told = [
        replayed.Replay(profile, tuple(some)).text().splitlines()[0] for some in (runs, runs[:1])
    ]
    assert told == [
        "tried: 1 of 2 runs would have passed, of 1 it is not known",
        "tried: 1 of 1 run would have passed",
    ]


def test_the_exit_status_is_that_of_the_worst_run() -> None:
    good, bad, unknown = replay(made("read")), replay(made("mount")), replay(made("socket"))
    for runs, status in (((good,), 0), ((good, unknown), 125), ((good, unknown, bad), 1)):
        assert replayed.Replay(parse(TEXT, "tried.toml"), runs).exit_status == status
