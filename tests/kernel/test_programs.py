"""The test programs keep their word: what each expects of a tracer is what strace and /proc
find. Without this, a test that holds sbtrace against them would prove nothing."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from tests.kernel import oracle
from tests.support import SOURCES, Programs, expectation

pytestmark = pytest.mark.kernel

# One line a way to call a program. Those with --self bring the filter that they expect.
CASES = [
    "all_numbers",
    "arguments",
    "blocked_errno --self",
    "blocked_kill --self",
    "blocked_kill_thread --self",
    "blocked_trap --self",
    "clone3_raw",
    "cpu_stress",
    "cpu_stress 101",
    "cut_short",
    "daemon",
    "daemon 7",
    "double_fork",
    "exec_chain",
    "exec_chain 2",
    "exec_from_thread",
    "fork_bomb",
    "fork_bomb 0",
    "genuine_eperm",
    "int80",
    "memory_leak",
    "memory_leak 5",
    "normal_program",
    "nothing",
    "outcome code 0",
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
    "short_processes 13 1 5",
    "signals",
    "sigreturn",
    "storm 1009 53",
    "syscall_flood",
    "syscall_flood 3 2",
    "thread_killed",
    "threads",
    "threads 101 11",
    "vfork_children",
    "x32",
]
NEVER_ENDS = {"hang"}
TELLS_TIME = {"span"}  # and no calls: see test_wall.py
SEEN_BY_A_TRACER = {"cut_short"}
"""Whose unfinished calls do return to a tracer, as errors, before the task dies in them."""


def command(programs: Programs, case: str) -> list[str]:
    name, *args = case.split()
    return [str(programs[name]), *args]


def ends_as_expected(expected: dict[str, Any], returncode: int) -> bool:
    if "signal" in expected:
        return bool(returncode == -expected["signal"])
    return bool(returncode == expected["exit_code"])


def figures(table: dict[str, oracle.Tally], names: dict[str, int], column: str) -> dict[str, int]:
    """The named rows of strace's table; it has no row for what did not happen."""
    return {name: getattr(table[name], column) if name in table else 0 for name in names}


def test_every_program_is_held_here(programs: Programs) -> None:
    """A program that is added is verified too."""
    assert {case.split()[0] for case in CASES} | NEVER_ENDS | TELLS_TIME == set(programs.names())


@pytest.mark.parametrize("case", CASES)
def test_calls_and_errors_are_those_of_strace(programs: Programs, case: str) -> None:
    """strace -f -c counts the calls that a program announced, less those that never return."""
    summary = oracle.strace_summary(command(programs, case))
    expected = expectation(summary.stdout)
    assert ends_as_expected(expected, summary.returncode)

    blocked = expected.get("blocked", {})  # strace counts these among the calls
    unfinished = expected.get("unfinished", {})
    errors = expected.get("errors", {})
    traced = expected.get("traced", {})
    if case in SEEN_BY_A_TRACER:
        traced = {name: traced.get(name, 0) + count for name, count in unfinished.items()}
    errors = {name: count + traced.get(name, 0) for name, count in errors.items()}
    calls = {n: c - unfinished.get(n, 0) for n, c in expected["calls"].items() if n not in blocked}
    calls = {name: count + traced.get(name, 0) for name, count in calls.items()}
    assert figures(summary.native, calls, "calls") == calls
    assert figures(summary.native, errors, "errors") == errors
    for abi in ("i386", "x32"):
        assert {n: t.calls for n, t in summary.abis.get(abi, {}).items()} == expected.get(abi, {})


@pytest.mark.parametrize("case", CASES)
def test_processes_threads_and_images_are_those_of_strace(programs: Programs, case: str) -> None:
    """strace -f sees as many tasks end, and as many execs succeed, as a program announced."""
    log = oracle.strace_log(command(programs, case))
    expected = expectation(log.stdout)
    assert ends_as_expected(expected, log.returncode)
    if "threads" in expected:
        assert len(log.ends) == expected["threads"]
    execs = [call for call in log.calls if call.name == "execve" and not call.failed]
    assert len(execs) == expected["images"]


@pytest.mark.parametrize("case", ["threads", "threads 101 11", "short_processes 13 3 7"])
def test_each_thread_makes_its_share_of_the_calls(programs: Programs, case: str) -> None:
    """The calls are spread evenly: no thread makes another one's."""
    log = oracle.strace_log(command(programs, case))
    expected = expectation(log.stdout)
    per_thread = expected["getppid_per_thread"]
    threads = expected["calls"]["getppid"] // per_thread
    assert Counter(log.entered("getppid").values()) == {per_thread: threads}


@pytest.mark.parametrize("case", ["exec_chain", "exec_chain 3", "exec_from_thread"])
def test_each_image_makes_its_share_of_the_calls(programs: Programs, case: str) -> None:
    """The getppid calls between two execs are those announced for the image."""
    log = oracle.strace_log(command(programs, case))
    by_image: list[int] = []
    for call in log.calls:
        if call.name == "execve":
            by_image.append(0)
        elif call.name == "getppid":
            by_image[-1] += 1
    assert by_image == expectation(log.stdout)["getppid_by_image"]


def test_numbers_without_a_name_fail_each_time(programs: Programs) -> None:
    """201 distinct numbers in one thread, each as often as announced, each with ENOSYS."""
    log = oracle.strace_log(command(programs, "all_numbers"))
    unknown = expectation(log.stdout)["unknown_numbers"]
    seen = Counter(c.name for c in log.calls if c.name.startswith("syscall_") and c.failed)
    numbers = range(unknown["first"], unknown["last"] + 1)
    assert seen == {f"syscall_{number:#x}": unknown["each"] for number in numbers}


def test_calls_of_killed_tasks_never_return(programs: Programs) -> None:
    """Tasks that die inside a call leave it unfinished; the cancelled one's does return."""
    log = oracle.strace_log(command(programs, "thread_killed"))
    expected = expectation(log.stdout)["unfinished"]
    assert {name: log.unfinished()[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("case", "calls", "errors", "end"),
    [
        ("blocked_errno", 23, 23, "exited with 0"),
        ("blocked_trap", 23, 0, "exited with 0"),
        ("blocked_kill", 1, 0, "killed by SIGSYS"),
    ],
)
def test_blocked_calls_are_as_many_as_announced(
    programs: Programs, case: str, calls: int, errors: int, end: str
) -> None:
    """strace, which stops a call before the filter sees it, counts each blocked call once."""
    summary = oracle.strace_summary(command(programs, f"{case} --self"))
    assert expectation(summary.stdout)["blocked"] == {"getpgid": calls}
    assert summary.native["getpgid"] == oracle.Tally(calls, errors)
    log = oracle.strace_log(command(programs, f"{case} --self"))
    assert list(log.ends.values()) == [end]


def test_a_thread_killed_by_the_filter_dies_alone(programs: Programs) -> None:
    """KILL_THREAD: each thread dies of SIGSYS in its call, the first goes on and exits."""
    log = oracle.strace_log(command(programs, "blocked_kill_thread --self"))
    blocked = expectation(log.stdout)["blocked"]["getpgid"]
    assert log.unfinished()["getpgid"] == blocked
    assert Counter(log.ends.values()) == {"killed by SIGSYS": blocked, "exited with 0": 1}


@pytest.mark.parametrize("case", ["blocked_errno", "blocked_trap", "blocked_kill_thread"])
def test_a_program_says_when_nothing_blocked_it(programs: Programs, case: str) -> None:
    """Without a filter the programs exit with 4, so that no test passes by mistake."""
    assert oracle.run_to_zombie(command(programs, case)).returncode == 4


@pytest.mark.parametrize("case", ["read_family", "pingpong"])
def test_syscr_and_syscw_are_those_of_proc(programs: Programs, case: str) -> None:
    """/proc/PID/io counts the reads and writes that reach a file, beside those of the exec."""
    exec_alone = oracle.run_to_zombie(command(programs, "nothing")).io
    ended = oracle.run_to_zombie(command(programs, case))
    expected = expectation(ended.stdout)
    assert ended.io["syscr"] - exec_alone["syscr"] == expected["syscr"]
    assert ended.io["syscw"] - (exec_alone["syscw"] - 1) == expected["syscw"]


def test_cpu_stress_burns_the_cpu_it_announces(programs: Programs) -> None:
    """The CPU time of the process is what the timer was set to, to a tick or two."""
    ended = oracle.run_to_zombie(command(programs, "cpu_stress"))
    burnt_ms = (ended.rusage.ru_utime + ended.rusage.ru_stime) * 1000
    expected = expectation(ended.stdout)["cpu_ms_at_least"]
    assert expected - 10 <= burnt_ms <= expected + 50


def test_memory_leak_takes_the_memory_it_announces(programs: Programs) -> None:
    """Resident set and page faults are at least those of the pages it touches."""
    ended = oracle.run_to_zombie(command(programs, "memory_leak"))
    expected = expectation(ended.stdout)
    assert ended.rusage.ru_maxrss * 1024 >= expected["rss_bytes_at_least"]
    assert ended.rusage.ru_minflt >= expected["minor_faults_at_least"]


@pytest.mark.parametrize(
    ("name", "kind"), [("policy_violation", "ET_DYN"), ("policy_violation_no_pie", "ET_EXEC")]
)
def test_the_policy_violation_is_built_both_ways(programs: Programs, name: str, kind: str) -> None:
    """One is position-independent and one is not; both hold the function that forks."""
    with programs[name].open("rb") as file:
        elf = ELFFile(file)
        assert elf.header["e_type"] == kind
        assert elf.get_section_by_name(".symtab").get_symbol_by_name("spawn_helper")


def test_hang_ends_when_asked(programs: Programs) -> None:
    """Once it has spoken it only waits, and SIGTERM ends it."""
    with subprocess.Popen([programs["hang"]], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.wait() == -signal.SIGTERM


def test_hang_is_deaf_when_told(programs: Programs) -> None:
    """It ignores SIGTERM, SIGINT and SIGHUP; the kernel says so, and only SIGKILL ends it."""
    with subprocess.Popen([programs["hang"], "deaf"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        expected = expectation(process.stdout.readline())
        ignored = int(oracle.read_status(process.pid)["SigIgn"], 16)
        process.kill()
        assert process.wait() == -expected["signal"]
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        assert ignored & (1 << (signo - 1))


def test_sources_and_cases_have_one_name(programs: Programs) -> None:
    """Each C file is one program, built under its own name."""
    sources = {path.stem for path in SOURCES.glob("*.c")}
    assert set(programs.names()) - sources == {"policy_violation_no_pie"}
