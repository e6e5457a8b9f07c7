"""Calls that seccomp refuses, by each action and by profiles of sbtrace's own: every one is
counted, none is taken for a call, and each row says what the filter did."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

import pytest

from tests.kernel.refusing import Refusing
from tests.support import Programs, Recorded, Sbtrace, expectation
from tests.unit.symbols.support import compile_c

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.kernel
N = 23
ROOM = 4096
"""Distinct blocked calls that a run keeps: the map ``blocked`` of bpf/sbtrace.c."""
ERRNO = '[errno]\nEXFULL = ["getpgid"]'


@pytest.fixture(scope="module")
def refused(public_folder: Path) -> Path:
    """The compiled refused.c."""
    from pathlib import Path

    return compile_c(
        public_folder / "refused", "-pthread", source=Path(__file__).with_name("refused.c")
    )


@pytest.fixture
def refusing(sbtrace: Sbtrace, public_folder: Path) -> Refusing:
    return Refusing(sbtrace, public_folder)


def expect_blocked(refusing: Refusing, recorded: Recorded, count: int, *actions: str) -> None:
    """``count`` blocked getpgid, none of them a call or an error, all with their rows."""
    assert recorded.record["blocked_syscalls"] == count
    stat = refusing.stat()
    assert (stat["calls"], stat["errors"], stat["blocked"]) == (0, 0, count)
    assert stat["unfinished"] == 0
    assert stat["total_ns"] is None
    rows = refusing.rows()
    assert sum(row["count"] for row in rows) == count
    assert tuple(sorted({row["action"] for row in rows})) == actions
    assert {row["name"] for row in rows} == {"getpgid"}
    assert refusing.losses() == {}


# ---- each action ------------------------------------------------------------------------


def test_errno_blocks_23_of_23(refusing: Refusing, programs: Programs) -> None:
    """Each is a blocked call with the profile's errno, which is none of the kernel's."""
    recorded = refusing(ERRNO, programs["blocked_errno"])
    assert recorded.process.returncode == 0
    expect_blocked(refusing, recorded, N, "ERRNO")
    assert {row["errno"] for row in refusing.rows()} == {errno.EXFULL}
    assert refusing.errnos() == {"EXFULL": (0, N)}
    wanted = expectation(recorded.process.stdout)["calls"]["getppid"]
    assert refusing.stat("getppid")["calls"] == wanted


def test_trap_with_a_handler_blocks_23_of_23(refusing: Refusing, programs: Programs) -> None:
    """The handler's return is a call of its own; the trapped one is none."""
    recorded = refusing('trap = ["getpgid"]', programs["blocked_trap"])
    assert recorded.process.returncode == 0
    expect_blocked(refusing, recorded, N, "TRAP")
    assert refusing.stat("rt_sigreturn")["calls"] == N
    assert refusing.errnos() == {}


@pytest.mark.parametrize(
    ("action", "said"),
    [("trap", "TRAP"), ("kill_process", "KILL_PROCESS"), ("kill_thread", "KILL_THREAD")],
)
def test_what_kills_is_counted_once(
    action: str, said: str, refusing: Refusing, programs: Programs
) -> None:
    """A process of one thread, without a handler: SIGSYS, one blocked call."""
    recorded = refusing(f'{action} = ["getpgid"]', programs["blocked_kill"])
    assert recorded.process.returncode == 128 + signal.SIGSYS
    assert recorded.record["outcome"] == "blocked"
    expect_blocked(refusing, recorded, 1, said)
    assert refusing.stat("getppid")["calls"] == 5


def test_kill_thread_is_counted_for_each_thread(refusing: Refusing, programs: Programs) -> None:
    """Beside a live thread the kernel just ends the caller: no exit of a call tells of it."""
    recorded = refusing('kill_thread = ["getpgid"]', programs["blocked_kill_thread"])
    assert recorded.process.returncode == 0
    assert recorded.record["outcome"] == "exited"
    expect_blocked(refusing, recorded, 3, "KILL_THREAD")
    rows = refusing.rows()
    assert len({row["thread_id"] for row in rows}) == len(rows) == 3
    (pid,) = {row["pid"] for row in rows}
    assert pid not in {row["tid"] for row in rows}


def test_kill_process_in_a_thread_is_counted_once(refusing: Refusing, refused: Path) -> None:
    """One thread breaks the rule, all of them die; only one call was refused."""
    recorded = refusing('kill_process = ["getpgid"]', refused, "thread")
    assert recorded.process.returncode == 128 + signal.SIGSYS
    expect_blocked(refusing, recorded, 1, "KILL_PROCESS")
    (row,) = refusing.rows()
    assert row["tid"] != row["pid"]


def test_a_killed_child_is_counted_in_the_child(refusing: Refusing, refused: Path) -> None:
    """The command itself goes on: its outcome is not that of its child."""
    recorded = refusing('kill_process = ["getpgid"]', refused, "child")
    assert recorded.process.returncode == 0
    assert recorded.record["outcome"] == "exited"
    expect_blocked(refusing, recorded, 1, "KILL_PROCESS")
    (row,) = refusing.rows()
    (child,) = refusing.sbtrace.sql("SELECT * FROM processes WHERE parent_id IS NOT NULL")
    assert (row["process_id"], child["term_signal"]) == (child["process_id"], signal.SIGSYS)


def test_log_counts_calls_and_says_log(refusing: Refusing, refused: Path) -> None:
    """A logged call happens: it is a call, it is not blocked, and it has its row."""
    recorded = refusing('log = ["getpgid"]', refused, "same", N)
    assert recorded.process.returncode == 0
    assert recorded.record["blocked_syscalls"] == 0
    stat = refusing.stat()
    assert (stat["calls"], stat["errors"], stat["blocked"]) == (N, 0, 0)
    rows = refusing.rows()
    assert [(row["action"], row["errno"], row["count"]) for row in rows] == [("LOG", None, N)]
    assert refusing.losses() == {}


def test_a_genuine_eperm_is_no_blocked_call(refusing: Refusing, programs: Programs) -> None:
    """The kernel's own EPERM beside a filter's: the program cannot tell them apart, we can."""
    recorded = refusing('[errno]\nEPERM = ["getpgid"]', programs["genuine_eperm"])
    assert recorded.process.returncode == 0
    assert recorded.record["blocked_syscalls"] == 0
    assert refusing.rows() == []
    stat = refusing.stat("setsid")
    assert (stat["calls"], stat["errors"], stat["blocked"]) == (19, 19, 0)
    assert refusing.errnos("setsid") == {"EPERM": (19, 0)}


# ---- causes that are not sure -----------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "count", "action"),
    [
        ("blocked_errno", N, "unknown"),
        ("blocked_trap", N, "unknown"),
        ("blocked_kill", 1, "unknown"),
        # That the kernel ends one thread of several with SIGSYS has no other cause.
        ("blocked_kill_thread", 3, "KILL_THREAD"),
    ],
)
def test_a_filter_of_the_targets_own_is_unknown(
    refusing: Refusing, programs: Programs, program: str, count: int, action: str
) -> None:
    """Counted to the last, but sbtrace does not claim what it cannot know."""
    recorded = refusing("", programs[program], "--self")
    expect_blocked(refusing, recorded, count, action)


def test_a_call_refused_for_want_of_a_tracer_is_unknown(refusing: Refusing, refused: Path) -> None:
    """SECCOMP_RET_TRACE without a tracer: ENOSYS, which is not the kernel's own either."""
    recorded = refusing("", refused, "tracer", N)
    expect_blocked(refusing, recorded, N, "unknown")
    assert refusing.errnos() == {"ENOSYS": (0, N)}


def test_a_filter_that_pretends_success_is_seen(refusing: Refusing, refused: Path) -> None:
    """ERRNO with 0: the program sees success, and yet nothing was called."""
    recorded = refusing("", refused, "zero", N)
    expect_blocked(refusing, recorded, N, "unknown")
    assert refusing.errnos() == {}


# ---- what belongs to whom ---------------------------------------------------------------


def test_a_blocked_call_has_no_latency_and_inherits_none(refusing: Refusing, refused: Path) -> None:
    """Between a call of 50 ms and a fast one: neither its own row nor the next has the 50 ms."""
    recorded = refusing(ERRNO, refused, "between", 3)
    expect_blocked(refusing, recorded, 3, "ERRNO")
    (row,) = refusing.sbtrace.sql("SELECT * FROM syscalls WHERE name = 'getpgid'")
    assert (row["total_ns"], row["min_ns"], row["max_ns"]) == (None, None, None)
    assert sum(row["histogram"]) == 0
    assert refusing.stat("poll")["total_ns"] >= 3 * 50_000_000
    assert refusing.stat("getppid")["min_ns"] < 50_000_000


def test_a_name_blocked_and_called_keeps_both_apart(refusing: Refusing, refused: Path) -> None:
    """A rule on an argument: 3 of 23 calls of one name are refused, 20 happen, 19 of them
    fail by the kernel's own ESRCH."""
    rule = '[[rule]]\nsyscalls = ["getpgid"]\naction = "errno:ESRCH"\nargs = ["arg0 == {}"]\n'
    rules = "".join(rule.format(number) for number in (1, 2, 3))
    refusing(rules, refused, "distinct", N)
    stat = refusing.stat()
    assert (stat["calls"], stat["blocked"]) == (N - 3, 3)
    failed, blocked = refusing.errnos()["ESRCH"]
    assert (failed, blocked) == (stat["errors"], 3)
    assert {row["args"][0] for row in refusing.rows()} == {1, 2, 3}


# ---- folding ----------------------------------------------------------------------------


def test_identical_ones_are_one_row_with_a_count(refusing: Refusing, refused: Path) -> None:
    recorded = refusing(ERRNO, refused, "same", 1009)
    expect_blocked(refusing, recorded, 1009, "ERRNO")
    (row,) = refusing.rows()
    assert row["count"] == 1009
    assert row["at_ns"] < row["last_ns"]


def test_distinct_arguments_are_distinct_rows(refusing: Refusing, refused: Path) -> None:
    recorded = refusing(ERRNO, refused, "distinct", 101)
    expect_blocked(refusing, recorded, 101, "ERRNO")
    rows = refusing.rows()
    assert [row["args"][0] for row in rows] == list(range(101))
    assert {row["count"] for row in rows} == {1}


def test_threads_are_distinct_rows(refusing: Refusing, refused: Path) -> None:
    """The same call of another thread or process is another row."""
    recorded = refusing(ERRNO, refused, "thread", N)
    expect_blocked(refusing, recorded, N, "ERRNO")
    (row,) = refusing.rows()
    assert row["tid"] != row["pid"]


def test_more_distinct_ones_than_there_is_room_for_are_still_counted(
    refusing: Refusing, refused: Path
) -> None:
    """The count is exact, the rows are as many as fit, and the run says how many have none."""
    beyond = 907
    recorded = refusing(ERRNO, refused, "distinct", ROOM + beyond)
    assert recorded.record["blocked_syscalls"] == ROOM + beyond
    assert refusing.stat()["blocked"] == ROOM + beyond
    assert refusing.errnos() == {"EXFULL": (0, ROOM + beyond)}
    rows = refusing.rows()
    assert len(rows) == sum(row["count"] for row in rows) == ROOM
    losses = refusing.losses()
    assert losses["lost_details"] == beyond
    assert losses.get("lost_stacks", 0) == sum(1 for row in rows if not row["frames"])
    assert recorded.record["exact"] is False


# ---- from where in the code -------------------------------------------------------------


def test_a_call_of_a_python_script_is_named_in_the_interpreter(refusing: Refusing) -> None:
    """The innermost frames are libc's getpgid and the interpreter's; the script has none."""
    script = "import os\ntry: os.getpgid(0)\nexcept OSError as e: print(e.errno)"
    recorded = refusing(ERRNO, "/usr/bin/python3", "-c", script)
    assert recorded.process.stdout == f"{errno.EXFULL}\n"
    expect_blocked(refusing, recorded, 1, "ERRNO")
    (row,) = refusing.rows()
    first, second = row["frames"][:2]
    assert (first["function"], first["object"].rsplit("/", 1)[1]) == ("getpgid", "libc.so.6")
    assert "python3" in second["object"]


@pytest.mark.parametrize("way", ["same", "thread", "child"])
def test_the_caller_is_named_after_the_process_is_dead(
    way: str, refusing: Refusing, refused: Path
) -> None:
    """In the first thread, in another one, and in a child, whose mappings were its parent's."""
    refusing('kill_process = ["getpgid"]', refused, way)
    (row,) = refusing.rows()
    own = [frame["function"] for frame in row["frames"] if frame["object"] == str(refused)]
    assert own[:1] in (["call"], ["calls"])  # the compiler may inline one into the other
