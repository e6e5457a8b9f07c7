"""What runs needed after start-up: by the instants of logged calls, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.unit.report.records import process, stat
from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer import syscalls
from tracer.errors import NothingToLearn, UsageError
from tracer.model import BlockedCall
from tracer.profile.learn import Way
from tracer.query.phases import Phases, phases, words
from tracer.store.intake import take_in

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.model import Process

UNIX, INET = 1, 2
AFTER = ("accept4",)


class Made(NamedTuple):
    """One call of a process, at an instant; with no instant it was not logged."""

    name: str
    at_ns: int | None
    process_id: int = 1
    arg0: int = 0


def row(made: Made) -> BlockedCall:
    number, at_ns = syscalls.number("x86_64", made.name) or 0, made.at_ns or 0
    where = (made.process_id, 69 + made.process_id, 0, made.process_id, 69 + made.process_id)
    args = (made.arg0, 1, 0, 0, 0, 0)
    told = ("x86_64", number, made.name, "LOG", None, args, 0, (), 1)
    return BlockedCall(*where, at_ns, at_ns, *told)


def learned(
    path: Path, *made: Made, processes: tuple[Process, ...] = (), after: tuple[str, ...] = AFTER
) -> Phases:
    """What is found in one run that made these calls, beside the execve that began it."""
    calls = (Made("execve", None), *made)
    keys = sorted({(each.process_id, each.name) for each in calls})
    stats = [
        stat(
            name,
            syscalls.number("x86_64", name) or 0,
            sum((each.process_id, each.name) == (process_id, name) for each in calls),
            process_id=process_id,
            thread_id=process_id,
        )
        for process_id, name in keys
    ]
    finished(
        path,
        a_record(0)._replace(
            processes=(process(1), *processes),
            syscalls=tuple(stats),
            syscall_errors=(),
            blocked_calls=tuple(row(each) for each in calls if each.at_ns is not None),
            losses=(),
        ),
    )
    take_in(path)
    return phases(path, ["last"], None, after)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "sbtrace.duckdb"


def kept(found: Phases) -> set[str]:
    return {use.name for use in found.observed.uses}


def test_what_was_made_last_before_the_first_accept_is_start_ups_alone(database: Path) -> None:
    """The execve that begins the command is sbtrace's own, and no filter sees it."""
    calls = (Made("bind", 10), Made("read", 11), Made("accept4", 20), Made("read", 21))
    found = learned(database, *calls, Made("accept4", 30))
    assert kept(found) == {"accept4", "read"}
    assert found.only_before == ("bind", "execve")
    assert (found.not_known, found.without) == ((), ())


def test_what_has_no_instant_is_kept_and_said(database: Path) -> None:
    calls = (Made("bind", 10), Made("bind", None), Made("accept4", 20), Made("listen", 12))
    found = learned(database, *calls)
    assert kept(found) == {"accept4", "bind"}
    assert found.not_known == ("bind",)


def test_a_process_whose_first_accept_is_not_known_may_need_all_of_its_calls(
    database: Path,
) -> None:
    calls = (Made("bind", 10), Made("accept4", None), Made("accept4", 20))
    found = learned(database, *calls)
    assert kept(found) == {"accept4", "bind"}
    assert found.not_known == ("accept4",)


def test_each_process_has_a_start_up_of_its_own(database: Path) -> None:
    """A worker's is over with its own first accept, and its parent's never."""
    worker = process(2, start_ns=5)
    calls = (Made("setuid", 8, 2), Made("accept4", 10, 2), Made("wait4", 11), Made("read", 12, 2))
    found = learned(database, *calls, processes=(worker,))
    assert kept(found) == {"accept4", "read"}
    assert found.only_before == ("execve", "setuid", "wait4")


@pytest.mark.parametrize(("start_ns", "needed"), [(30, {"setuid"}), (19, set[str]())])
def test_a_process_that_is_made_afterwards_is_past_start_up_and_so_are_its_children(
    database: Path, start_ns: int, needed: set[str]
) -> None:
    family = (
        process(2, start_ns=start_ns),
        process(3, parent_id=2, start_ns=start_ns + 2),
    )
    calls = (Made("accept4", 20), Made("setuid", 40, 3))
    assert kept(learned(database, *calls, processes=family)) == {"accept4"} | needed


def test_a_process_of_an_unknown_parent_may_be_past_start_up(database: Path) -> None:
    orphan = process(2, parent_id=None, start_ns=5)
    found = learned(database, Made("accept4", 20), Made("bind", 6, 2), processes=(orphan,))
    assert kept(found) == {"accept4", "bind"}


def test_only_the_arguments_of_calls_that_were_made_afterwards_are_needed(database: Path) -> None:
    calls = (Made("socket", 10, arg0=UNIX), Made("accept4", 20), Made("socket", 30, arg0=INET))
    found = learned(database, *calls)
    (socket,) = (use for use in found.observed.uses if use.name == "socket")
    assert [way.values for way in socket.ways] == [((0, INET), (1, 1), (2, 0))]
    assert isinstance(socket.ways[0], Way)
    assert socket.unknown is None


def test_a_run_that_logged_nothing_cannot_be_told_apart(database: Path) -> None:
    with pytest.raises(NothingToLearn, match='default_action = "log"'):
        learned(database, Made("bind", None), Made("accept4", None))


def test_a_run_that_never_came_so_far_is_all_start_up(database: Path) -> None:
    with pytest.raises(NothingToLearn, match="called accept4: give another call to --after"):
        learned(database, Made("bind", 10))
    found = learned(database, Made("bind", 10), Made("accept4", 20))
    both = phases(database, ["last", "last~1"], None, AFTER)
    assert kept(both) == kept(found)
    assert len(both.without) == 1


@pytest.mark.parametrize(
    ("after", "call"),
    [("accept", "accept"), ("accept", "accept4"), ("poll", "epoll_wait"), ("seccomp", "seccomp")],
)
def test_start_up_ends_with_accept_with_poll_or_with_any_call(
    database: Path, after: str, call: str
) -> None:
    found = learned(database, Made("bind", 10), Made(call, 20), after=words(f"recvmmsg, {after}"))
    assert kept(found) == {call}
    assert found.after == ("recvmmsg", after)


def test_a_call_that_there_is_not_is_a_wrong_command_line() -> None:
    assert words(None) == ()
    with pytest.raises(UsageError, match=r'no call "acept" \(did you mean "accept"\?\)'):
        words("acept")
