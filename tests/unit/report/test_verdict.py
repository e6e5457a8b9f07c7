"""The verdict about a run under a profile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.report import records
from tracer.model import BlockedCall, Loss, RunRecord
from tracer.report import verdict

SOURCE = """
name = "tried"
default_action = "kill_process"
allow = ["read"]
[errno]
ENOSYS = ["clone3"]
EACCES = ["socket"]
"""
RUN = records.RUN._replace(profile="tried", profile_source=SOURCE, profile_path="tried.toml")
CLONE3, SOCKET, MOUNT, READ = 435, 41, 165, 0
ENOSYS, EACCES, EPERM = 38, 13, 1


def call(name: str, nr: int, action: str, errno: int | None, count: int = 1) -> BlockedCall:
    return BlockedCall(
        *(1, 70, 0, 1, 70, 5, 6, "x86_64"), nr, name, action, errno, (0,) * 6, 0x1000, (), count
    )


def record(*calls: BlockedCall, losses: tuple[Loss, ...] = ()) -> RunRecord:
    counted = tuple(
        records.stat(each.name, each.nr, 0, blocked=each.count, thread_id=number)
        for number, each in enumerate(calls)
    )
    return RunRecord(RUN, (records.process(1),), counted, (), calls, (), losses)


def test_a_run_without_a_refused_call_passes() -> None:
    found = verdict.judge(record())
    assert (found.passed, found.exit_status) == (True, 0)


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        ({"outcome": "signaled", "exit_code": None, "term_signal": 11}, 139),
        ({"outcome": "interrupted", "exit_code": None, "term_signal": 2}, 130),
        ({"outcome": "timed_out", "exit_code": None, "term_signal": 9}, 124),
        ({"outcome": "timed_out", "exit_code": 0}, 124),
    ],
)
def test_a_command_that_did_not_come_to_its_own_end_does_not_pass(
    ended: dict[str, Any], status: int
) -> None:
    cut = record()._replace(run=RUN._replace(**ended))
    found = verdict.judge(cut)
    assert (found.passed, found.exit_status) == (None, status)
    assert "cannot be told" in verdict.judge(cut).text()
    assert "did not come to its own end" in verdict.judge(cut).text()
    refused = record(call("mount", MOUNT, "KILL_PROCESS", None))
    assert verdict.judge(refused._replace(run=RUN._replace(**ended))).exit_status == 1


def test_a_command_that_fails_by_itself_may_pass() -> None:
    found = verdict.judge(record()._replace(run=RUN._replace(exit_code=3)))
    assert (found.passed, found.exit_status) == (True, 0)


def test_each_refused_syscall_is_a_row_with_the_line_that_decides() -> None:
    """Those that killed first; calls of one syscall, answer and line are one row."""
    found = verdict.judge(
        record(
            call("socket", SOCKET, "ERRNO", EACCES, 3),
            call("socket", SOCKET, "ERRNO", EACCES, 4)._replace(args=(1,) * 6),
            call("mount", MOUNT, "KILL_PROCESS", None),
        )
    )
    assert [(row.syscall, row.action, row.calls, row.line) for row in found.refused] == [
        ("mount", "kill_process", 1, None),
        ("socket", "errno:EACCES", 7, 7),
    ]
    assert (found.passed, found.exit_status) == (False, 1)


def test_an_enosys_that_an_entry_gives_is_not_held_against_the_profile() -> None:
    found = verdict.judge(record(call("clone3", CLONE3, "ERRNO", ENOSYS)))
    assert [row.syscall for row in found.refused if row.excuse] == ["clone3"]
    assert found.passed


def test_what_the_profile_lets_through_was_refused_by_a_filter_of_the_command() -> None:
    found = verdict.judge(record(call("read", READ, "ERRNO", EPERM)))
    assert "loaded itself" in (found.refused[0].excuse or "")
    assert found.passed


def test_a_run_that_is_not_exact_does_not_pass_by_silence() -> None:
    lost = (Loss("kernel", "lost_calls", 2),)
    found = verdict.judge(record(losses=lost))
    assert (found.passed, found.exit_status) == (None, 125)
    assert "2 calls were not counted" in verdict.judge(record(losses=lost)).text()


def test_refused_calls_without_details_are_counted_all_the_same() -> None:
    bare = record(call("mount", MOUNT, "KILL_PROCESS", None, 3))._replace(blocked_calls=())
    (row,) = verdict.judge(bare).refused
    assert (row.syscall, row.action, row.calls, row.first) == ("mount", "unknown", 3, None)
