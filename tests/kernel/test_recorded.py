"""What sbtrace records of the test programs is what they announced, which strace confirmed
(test_programs.py): to the last call, under each of the shipped profiles."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from typing import Any

import pytest

from tests.kernel import oracle
from tests.support import NATIVE, Programs, Recorded, Sbtrace, expectation
from tracer import syscalls

pytestmark = pytest.mark.kernel

# Under LEARNING, which blocks nothing; those with --self bring a filter of their own.
LEARNING = [
    "all_numbers",
    "blocked_errno --self",
    "blocked_kill --self",
    "blocked_kill_thread --self",
    "blocked_trap --self",
    "clone3_raw",
    "cpu_stress 101",
    "cut_short",
    "cut_short 40",
    "cut_short 128",
    "daemon",
    "double_fork",
    "exec_chain 7",
    "exec_from_thread",
    "fork_bomb",
    "genuine_eperm",
    "int80",
    "memory_leak",
    "normal_program",
    "nothing",
    "outcome code 42",
    "outcome signal 9",
    "outcome signal 15",
    "pingpong",
    "policy_violation",
    "policy_violation_no_pie",
    "posix_spawn",
    "read_family",
    "rude_name",
    "short_processes",
    "short_processes 2000 1 5",
    "short_processes 101 5 11",
    "signals",
    "sigreturn",
    "storm",
    "syscall_flood 100003 10007",
    "thread_killed",
    "threads 500 1009",
    "vfork_children 101",
    "x32",
]
# Programs of one process and one thread, which STRICT is for.
STRICT = ["nothing", "normal_program", "syscall_flood", "cpu_stress 101"]


def record(
    sbtrace: Sbtrace, programs: Programs, case: str, profile: str
) -> tuple[dict[str, Any], Recorded]:
    name, *args = case.split()
    recorded = sbtrace.run(programs[name], *args, options=["--profile", profile])
    return expectation(recorded.process.stdout), recorded


def status(expected: dict[str, Any]) -> int:
    """The exit status that sbtrace passes on."""
    return 128 + expected["signal"] if "signal" in expected else int(expected["exit_code"])


def totals(sbtrace: Sbtrace, column: str, abi: str = NATIVE) -> Counter[str]:
    """name -> the sum of one column over all threads and images, as stored."""
    rows = sbtrace.sql(
        f"SELECT name, sum({column})::BIGINT AS n FROM syscalls WHERE abi = '{abi}' GROUP BY name"  # noqa: S608
    )
    return Counter({row["name"]: row["n"] for row in rows})


def named(table: Counter[str], names: dict[str, int]) -> dict[str, int]:
    return {name: table[name] for name in names}


def number(sbtrace: Sbtrace, query: str) -> int:
    (row,) = sbtrace.sql(query)
    return int(row["n"])


@pytest.mark.parametrize("case", LEARNING)
def test_everything_is_counted_exactly(sbtrace: Sbtrace, programs: Programs, case: str) -> None:
    """Calls, errors, blocked and unfinished ones, of every ABI; every process however short,
    every thread, an image for every successful execve; and how the program ended."""
    expected, recorded = record(sbtrace, programs, case, "LEARNING")
    assert recorded.process.returncode == status(expected)
    assert sbtrace.sql("SELECT * FROM losses WHERE collector = 'kernel'") == []
    for column in ("calls", "errors", "blocked", "unfinished"):
        wanted = expected.get(column, {})
        assert named(totals(sbtrace, column), wanted) == wanted, column
    for abi in ("i386", "x32"):
        assert dict(totals(sbtrace, "calls", abi)) == expected.get(abi, {})
    blocked = sum(expected.get("blocked", {}).values())
    assert recorded.record["blocked_syscalls"] == blocked
    count = "SELECT count(DISTINCT {}) AS n FROM {}"
    assert number(sbtrace, count.format("process_id", "processes")) == expected["processes"]
    if "threads" in expected:
        assert number(sbtrace, count.format("thread_id", "syscalls")) == expected["threads"]
    execs = "SELECT count(*) AS n FROM processes WHERE executable IS NOT NULL"
    assert number(sbtrace, execs) == expected["images"]


def test_numbers_without_a_name_are_counted_too(sbtrace: Sbtrace, programs: Programs) -> None:
    """201 numbers that are no syscall, in one thread: each kept under its number."""
    expected, _ = record(sbtrace, programs, "all_numbers", "LEARNING")
    unknown = expected["unknown_numbers"]
    numbers = range(unknown["first"], unknown["last"] + 1)
    wanted = {f"syscall_{number:#x}": unknown["each"] for number in numbers}
    assert named(totals(sbtrace, "calls"), wanted) == wanted
    assert named(totals(sbtrace, "errors"), wanted) == wanted


@pytest.mark.parametrize("case", ["threads", "threads 500 101", "short_processes 101 5 11"])
def test_each_thread_has_its_share(sbtrace: Sbtrace, programs: Programs, case: str) -> None:
    """No thread is charged with another one's calls."""
    expected, _ = record(sbtrace, programs, case, "LEARNING")
    rows = sbtrace.sql(
        "SELECT sum(calls)::BIGINT AS n FROM syscalls WHERE name = 'getppid' GROUP BY thread_id"
    )
    per_thread = expected["getppid_per_thread"]
    threads = expected["calls"]["getppid"] // per_thread
    assert Counter(row["n"] for row in rows) == {per_thread: threads}


@pytest.mark.parametrize("case", ["exec_chain 7", "exec_from_thread"])
def test_each_image_has_its_share(sbtrace: Sbtrace, programs: Programs, case: str) -> None:
    """An execve ends an image and its figures, and begins the next."""
    expected, _ = record(sbtrace, programs, case, "LEARNING")
    rows = sbtrace.sql(
        "SELECT image, sum(calls)::BIGINT AS n FROM syscalls WHERE name = 'getppid' "
        "GROUP BY image ORDER BY image"
    )
    assert [row["n"] for row in rows] == expected["getppid_by_image"]


@pytest.mark.parametrize("case", ["nothing", "normal_program", "syscall_flood", "threads"])
def test_the_total_is_that_of_strace(sbtrace: Sbtrace, programs: Programs, case: str) -> None:
    """All calls less those that never returned are strace -f -c's total."""
    _, recorded = record(sbtrace, programs, case, "LEARNING")
    mine = totals(sbtrace, "calls - unfinished")
    summary = oracle.strace_summary([programs[case]])
    theirs = {name: tally.calls for name, tally in summary.native.items()}
    if case == "threads":  # how often a join or a barrier must wait differs from run to run
        mine.pop("futex", None)
        theirs.pop("futex", None)
    else:
        run = recorded.record
        assert run["total_syscalls"] - run["unfinished_syscalls"] == summary.total
    assert {name: calls for name, calls in mine.items() if calls} == theirs


@pytest.mark.parametrize("case", ["read_family", "pingpong"])
def test_reads_and_writes_are_those_of_proc(
    sbtrace: Sbtrace, programs: Programs, case: str
) -> None:
    """syscr and syscw differ from those of a program that does nothing by what was announced."""
    _, nothing = record(sbtrace, programs, "nothing", "LEARNING")
    expected, recorded = record(sbtrace, programs, case, "LEARNING")
    alone = nothing.record["read_syscalls"]
    assert alone == oracle.run_to_zombie([programs["nothing"]]).io["syscr"]
    assert recorded.record["read_syscalls"] - alone == expected["syscr"]
    assert recorded.record["write_syscalls"] == expected["syscw"]


def test_memory_and_faults_are_those_of_the_program(sbtrace: Sbtrace, programs: Programs) -> None:
    """The resident set and the page faults are at least those of the pages it touches."""
    expected, recorded = record(sbtrace, programs, "memory_leak", "LEARNING")
    assert recorded.record["max_rss_bytes"] >= expected["rss_bytes_at_least"]
    assert recorded.record["minor_faults"] >= expected["minor_faults_at_least"]


def test_cpu_time_is_that_of_the_program(sbtrace: Sbtrace, programs: Programs) -> None:
    """User and system time together are what the program burnt, to some ticks."""
    expected, recorded = record(sbtrace, programs, "cpu_stress", "LEARNING")
    burnt_ms = (recorded.record["user_ns"] + recorded.record["system_ns"]) / 1e6
    assert expected["cpu_ms_at_least"] - 10 <= burnt_ms <= expected["cpu_ms_at_least"] + 60


@pytest.mark.parametrize("case", STRICT)
def test_strict_lets_a_plain_program_work(sbtrace: Sbtrace, programs: Programs, case: str) -> None:
    """Under STRICT it does all it announced, and nothing is blocked."""
    expected, recorded = record(sbtrace, programs, case, "STRICT")
    assert recorded.process.returncode == status(expected)
    assert recorded.record["blocked_syscalls"] == 0
    assert named(totals(sbtrace, "calls"), expected["calls"]) == expected["calls"]


@pytest.mark.parametrize("case", ["policy_violation", "policy_violation_no_pie", "fork_bomb"])
def test_strict_kills_at_the_first_fork(sbtrace: Sbtrace, programs: Programs, case: str) -> None:
    """Exit status 159, one blocked call, and every call before it counted."""
    expected, recorded = record(sbtrace, programs, case, "STRICT")
    killed = expected["if_fork_is_killed"]
    assert recorded.process.returncode == 128 + signal.SIGSYS == status(killed)
    assert recorded.record["outcome"] == "blocked"
    assert recorded.record["blocked_syscalls"] == 1
    assert recorded.record["sigsys"] == 1
    assert +totals(sbtrace, "blocked") == killed["blocked"]
    calls = killed.get("calls", {})
    assert named(totals(sbtrace, "calls"), calls) == calls


@pytest.mark.parametrize("case", ["policy_violation", "policy_violation_no_pie"])
def test_why_names_the_function_that_forked(
    sbtrace: Sbtrace, programs: Programs, case: str
) -> None:
    """The process is dead, its stack is not: the caller of libc's fork is in it."""
    expected, recorded = record(sbtrace, programs, case, "STRICT")
    done = sbtrace("why", recorded.record["run_id"])
    assert done.returncode == 0, done.stderr
    assert expected["if_fork_is_killed"]["function"] in done.stdout


@pytest.mark.parametrize("case", ["threads", "short_processes 31 3 7", "pingpong"])
def test_resource_aware_lets_threads_and_processes_work(
    sbtrace: Sbtrace, programs: Programs, case: str
) -> None:
    """Under RESOURCE-AWARE they do all they announced; for clone3 libc takes clone, and from
    glibc 2.41 on it asks once a process."""
    expected, recorded = record(sbtrace, programs, case, "RESOURCE-AWARE")
    assert recorded.process.returncode == status(expected), recorded.process.stderr
    assert set(+totals(sbtrace, "blocked")) <= {"clone3"}
    calls = totals(sbtrace, "calls")
    calls["clone"] -= expected["threads"] - expected["processes"]  # those of clone3
    assert calls["clone"] == expected["calls"].get("clone", 0)
    assert named(calls, expected["calls"]) == expected["calls"]


CLONE_PARENT = """
import ctypes, os, signal
CLONE_PARENT = 0x8000
maker = os.fork()
if maker == 0:
    made = ctypes.CDLL(None).syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if made == 0:
        os._exit(23)
    os._exit(29)
codes = {os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)}  # both are its children
os._exit(0 if codes == {23, 29} else 99)
"""


def test_who_made_a_process_is_its_parent_also_with_clone_parent(sbtrace: Sbtrace) -> None:
    """To the kernel it is a sibling of its maker, and their parent waits for both."""
    script = CLONE_PARENT.replace("CLONE,", f"{syscalls.number(NATIVE, 'clone')},")
    recorded = sbtrace.run(sys.executable, "-S", "-c", script)
    assert recorded.process.returncode == 0
    (pair,) = sbtrace.sql(
        "SELECT made.parent_id = maker.process_id AS known, made.ppid = maker.pid AS told "
        "FROM processes made, processes maker WHERE made.exit_code = 23 AND maker.exit_code = 29"
    )
    assert pair == {"known": True, "told": True}


def test_rude_names_are_shown_not_obeyed(sbtrace: Sbtrace, programs: Programs) -> None:
    """A process name with a terminal escape reaches the database, and no terminal."""
    _, recorded = record(sbtrace, programs, "rude_name", "LEARNING")
    shown = sbtrace("show", recorded.record["run_id"], "--by", "process")
    assert shown.returncode == 0, shown.stderr
    assert "\x1b" not in shown.stdout
    queried = sbtrace("query", "SELECT comm FROM processes")
    assert "\x1b" not in queried.stdout
    json.loads(sbtrace("query", "SELECT comm FROM processes", "--format", "json").stdout)
