"""Blocked calls that no exit tells of, and exits of calls that nobody blocked: `blocked` is
what a seccomp filter blocked, each once, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.refusing import Refusing
from tests.unit.symbols.support import compile_c

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel
N = 23
PAIRS = 500
ERRNO = '[errno]\nEXFULL = ["getpgid"]'


@pytest.fixture(scope="module")
def hidden(public_folder: Path) -> Path:
    """The compiled hidden.c."""
    source = Path(__file__).with_name("hidden.c")
    return compile_c(public_folder / "hidden", "-pthread", source=source)


@pytest.fixture
def refusing(sbtrace: Sbtrace, public_folder: Path) -> Refusing:
    return Refusing(sbtrace, public_folder)


def expect(refusing: Refusing, hidden: Path, way: str, rules: str = "", n: int = N) -> int:
    """Run one way of hidden.c to a good end, without a loss; return how many were blocked."""
    recorded = refusing(rules, hidden, way, n)
    assert recorded.process.returncode == 0, recorded.process.stderr
    assert refusing.losses() == {}
    blocked: int = recorded.record["blocked_syscalls"]
    return blocked


def rows(refusing: Refusing) -> list[tuple[str, str, int | None, int]]:
    """(name, action, errno, count), added up over processes."""
    found = refusing.sbtrace.sql(
        "SELECT name, action, errno, sum(count)::BIGINT AS n FROM blocked_calls GROUP BY ALL "
        "ORDER BY ALL"
    )
    return [tuple(row.values()) for row in found]  # type: ignore[misc]


# ---- tasks that the kernel ends ------------------------------------------------------------


def test_two_threads_that_are_killed_at_once_are_two(refusing: Refusing, hidden: Path) -> None:
    """KILL_THREAD for all threads of a process: the last one to end makes it the end of the
    process (kernel/exit.c: synchronize_group_exit), which is no reason not to count it."""
    assert expect(refusing, hidden, "pairs", 'kill_thread = ["getpgid"]', PAIRS) == 2 * PAIRS
    assert rows(refusing) == [("getpgid", "KILL_THREAD", None, 2 * PAIRS)]


def test_two_threads_that_kill_their_process_at_once_are_no_more_than_two(
    refusing: Refusing, hidden: Path
) -> None:
    """KILL_PROCESS: those who die of another's refusal have the same exit code, and no refusal.
    The second thread may be dead before it asks."""
    blocked = expect(refusing, hidden, "pairs", 'kill_process = ["getpgid"]', PAIRS)
    assert PAIRS <= blocked <= 2 * PAIRS
    assert rows(refusing) == [("getpgid", "KILL_PROCESS", None, blocked)]


def test_a_thread_killed_while_its_process_exits_is_counted(
    refusing: Refusing, hidden: Path
) -> None:
    """It was refused first; the exit code of the process is that of exit_group all the same."""
    assert expect(refusing, hidden, "beside_exit_group", 'kill_thread = ["getpgid"]') == 1
    assert rows(refusing) == [("getpgid", "KILL_THREAD", None, 1)]
    (child,) = refusing.sbtrace.sql("SELECT * FROM processes WHERE parent_id IS NOT NULL")
    assert (child["exit_code"], child["term_signal"]) == (0, None)


def test_strict_mode_refuses_by_sigkill(refusing: Refusing, hidden: Path) -> None:
    """A program's own SECCOMP_MODE_STRICT: the kernel ends the thread, and calls it KILL_THREAD."""
    assert expect(refusing, hidden, "strict") == N
    assert rows(refusing) == [("getpgid", "KILL_THREAD", None, N)]
    assert refusing.stat()["calls"] == 0


# ---- the vsyscall page ---------------------------------------------------------------------


def test_a_trap_in_the_vsyscall_page_is_counted_and_leaves_nothing_behind(
    refusing: Refusing, hidden: Path
) -> None:
    """No exit of a call follows it; the next refusal is another one, with its errno."""
    rules = 'trap = ["time"]\n[errno]\nEXFULL = ["getpgid"]'
    assert expect(refusing, hidden, "vsyscall_then_call", rules) == 2 * N
    assert rows(refusing) == [("getpgid", "ERRNO", 54, N), ("time", "TRAP", None, N)]
    assert refusing.errnos() == {"EXFULL": (0, N)}


@pytest.mark.parametrize("action", ["kill_process", "kill_thread"])
def test_a_kill_in_the_vsyscall_page_is_counted(
    action: str, refusing: Refusing, hidden: Path
) -> None:
    assert expect(refusing, hidden, "killed_vsyscall", f'{action} = ["time"]') == N
    assert rows(refusing) == [("time", action.upper(), None, N)]


def test_an_errno_in_the_vsyscall_page_is_counted(refusing: Refusing, hidden: Path) -> None:
    """Nothing of the kernel tells of it: it follows from the profile and the kernel's own cache
    of what filters always allow."""
    recorded = refusing('[errno]\nEXFULL = ["time"]', hidden, "vsyscalls", N)
    assert recorded.process.stdout == "-54\n" * N
    # The program asks again for what it prints.
    assert recorded.record["blocked_syscalls"] == 2 * N
    assert rows(refusing) == [("time", "ERRNO", 54, 2 * N)]
    assert refusing.errnos("time") == {"EXFULL": (0, 2 * N)}
    assert refusing.losses() == {}
    (row,) = refusing.sbtrace.sql("SELECT * FROM syscalls WHERE name = 'time'")
    assert (row["calls"], row["blocked"]) == (0, 2 * N)


def test_what_faults_in_the_vsyscall_page_before_seccomp_is_asked_is_not_blocked(
    refusing: Refusing, hidden: Path
) -> None:
    """gettimeofday with a pointer that is none; the same register is no argument of time."""
    rules = '[errno]\nEXFULL = ["time", "gettimeofday"]'
    assert expect(refusing, hidden, "odd_vsyscalls", rules) == N
    assert rows(refusing) == [("time", "ERRNO", 54, N)]
    (row,) = refusing.sbtrace.sql("SELECT count(*) AS n FROM processes WHERE term_signal = 11")
    assert row["n"] == N


@pytest.mark.parametrize("rules", ["", ERRNO])
def test_what_is_let_through_in_the_vsyscall_page_is_no_syscall(
    rules: str, refusing: Refusing, hidden: Path
) -> None:
    """Without a filter, and with one that allows it: neither counted nor a loss."""
    assert expect(refusing, hidden, "vsyscalls", rules) == 0
    assert refusing.sbtrace.sql("SELECT * FROM syscalls WHERE name = 'time'") == []


@pytest.mark.parametrize("rules", ["", ERRNO, '[errno]\nEPERM = ["time"]'])
def test_what_a_filter_of_the_targets_own_does_in_the_vsyscall_page_is_a_loss(
    rules: str, refusing: Refusing, hidden: Path
) -> None:
    """sbtrace does not know that filter; it knows how often it may have refused. Also where the
    profile refuses the same call: whose errno it was is not known."""
    recorded = refusing(rules, hidden, "own_vsyscalls", N)
    assert recorded.process.stdout == "-54\n" * N
    assert recorded.record["blocked_syscalls"] == 0
    assert refusing.losses() == {"unseen_vsyscalls": 2 * N}


# ---- signals -------------------------------------------------------------------------------


def test_a_refusal_with_an_errno_after_one_with_a_signal_keeps_its_errno(
    refusing: Refusing, hidden: Path
) -> None:
    rules = 'trap = ["getsid"]\n[errno]\nEXFULL = ["getpgid"]'
    assert expect(refusing, hidden, "trapped_then_refused", rules) == 2 * N
    assert rows(refusing) == [("getpgid", "ERRNO", 54, N), ("getsid", "TRAP", None, N)]
    assert refusing.errnos() == {"EXFULL": (0, N)}


def test_a_target_cannot_forge_the_signal_of_a_refusal(refusing: Refusing, hidden: Path) -> None:
    """rt_tgsigqueueinfo to itself with seccomp's si_code: a call, and of no weight."""
    assert expect(refusing, hidden, "forged", ERRNO) == N
    assert rows(refusing) == [("getpgid", "ERRNO", 54, N)]
    assert refusing.errnos() == {"EXFULL": (0, N)}


# ---- tracers -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["killed_at_entry", "killed_at_filter"])
def test_a_call_whose_tracee_is_killed_before_it_is_not_blocked(
    way: str, refusing: Refusing, hidden: Path
) -> None:
    """Its exit comes without an entry, and nobody refused it."""
    assert expect(refusing, hidden, way) == 0
    assert rows(refusing) == []


@pytest.mark.parametrize(("way", "made"), [("skipped_at_filter", 0), ("emulated", 1)])
def test_what_a_tracer_skips_is_neither_a_call_nor_blocked(
    way: str, made: int, refusing: Refusing, hidden: Path
) -> None:
    """``emulated``: the one that began before PTRACE_SYSEMU was asked for is made."""
    assert expect(refusing, hidden, way) == 0
    calls = refusing.sbtrace.sql("SELECT calls FROM syscalls WHERE name = 'getpgid'")
    assert sum(row["calls"] for row in calls) == made
    assert refusing.sbtrace.sql("SELECT * FROM syscalls WHERE nr = 4294967295") == []


def test_what_a_tracer_skips_at_the_entry_is_no_call_but_said(
    refusing: Refusing, hidden: Path
) -> None:
    """The number -1 may be the tracer's or the program's own: the run is not exact."""
    recorded = refusing("", hidden, "skipped", N)
    assert refusing.losses() == {"skipped_calls": N}
    assert recorded.record["blocked_syscalls"] == 0
    assert refusing.sbtrace.sql("SELECT * FROM syscalls WHERE nr = 4294967295") == []


@pytest.mark.parametrize("way", ["emulated_unseen", "tracer_dies"])
def test_what_no_filter_touches_is_not_blocked_however_a_tracer_leaves_it(
    way: str, refusing: Refusing, hidden: Path
) -> None:
    """PTRACE_SYSEMU no longer shows at the exit, nor does a tracer that is dead. The target has a
    filter, which lets every getpgid pass."""
    assert expect(refusing, hidden, way) == 0
    assert rows(refusing) == []
    assert refusing.sbtrace.sql("SELECT * FROM syscalls WHERE name = 'getpgid'") == []


@pytest.mark.parametrize(
    ("way", "rules", "blocked"),
    [("emulated_unseen_where_refused", "", N), ("emulated_late", ERRNO, 0)],
)
def test_where_a_tracer_and_a_filter_may_have_skipped_a_call_it_is_said(
    way: str, rules: str, blocked: int, refusing: Refusing, hidden: Path
) -> None:
    """Both would look the same: the run is not exact, whichever is shown."""
    recorded = refusing(rules, hidden, way, N)
    assert recorded.process.returncode == 0, recorded.process.stderr
    assert refusing.losses() == {"skipped_calls": N}
    assert (recorded.record["blocked_syscalls"], recorded.record["exact"]) == (blocked, False)


def test_a_tracer_cannot_forge_the_signal_of_a_refusal(refusing: Refusing, hidden: Path) -> None:
    """A SIGSYS that it puts in the place of another signal, which its tracee blocks."""
    assert expect(refusing, hidden, "forged_by_tracer", ERRNO) == N
    assert rows(refusing) == [("getpgid", "ERRNO", 54, N)]
    assert refusing.errnos() == {"EXFULL": (0, N)}


def test_a_call_that_a_signal_interrupts_while_a_notifier_is_asked_is_not_blocked(
    refusing: Refusing, hidden: Path
) -> None:
    """It comes back with ERESTARTSYS, and nobody has answered."""
    assert expect(refusing, hidden, "interrupted") == 0
    assert rows(refusing) == []


# ---- numbers and results -------------------------------------------------------------------


def test_numbers_that_only_look_like_x32_are_x86_64(refusing: Refusing, hidden: Path) -> None:
    """-1 and 0x7fffffff: the kernel fails both with ENOSYS."""
    assert expect(refusing, hidden, "odd_numbers") == 0
    found = refusing.sbtrace.sql("SELECT abi, name, calls, errors FROM syscalls WHERE nr > 1024")
    assert sorted(map(tuple, (row.values() for row in found))) == [
        ("x86_64", "syscall_0x7fffffff", N, N),
        ("x86_64", "syscall_0xffffffff", N, N),
    ]


def test_a_32_bit_error_that_is_zero_extended_is_an_error(refusing: Refusing, hidden: Path) -> None:
    """modify_ldt of i386 returns an unsigned int: 0xffffffda is -ENOSYS."""
    assert expect(refusing, hidden, "modify_ldt") == 0
    (row,) = refusing.sbtrace.sql("SELECT * FROM syscalls WHERE abi = 'i386'")
    assert (row["name"], row["calls"], row["errors"]) == ("modify_ldt", N, N)
    assert refusing.errnos("modify_ldt") == {"ENOSYS": (N, 0)}


def test_an_error_is_a_result_from_minus_4095_up(refusing: Refusing, hidden: Path) -> None:
    """A result of -4096 is none: half of these calls have it, the others one more."""
    assert expect(refusing, hidden, "edges") == 0
    stat = refusing.stat("lseek")
    assert (stat["calls"], stat["errors"]) == (2 * N, N)
    assert refusing.errnos("lseek") == {"errno_4095": (N, 0)}


def test_each_argument_of_a_refused_call_is_its_own_on_every_abi(
    refusing: Refusing, hidden: Path
) -> None:
    """Six registers, which are others on i386."""
    assert expect(refusing, hidden, "six_arguments", f'abis = ["native", "i386"]\n{ERRNO}') == 2
    args = {row["abi"]: row["args"] for row in refusing.rows()}
    assert args == {"x86_64": [1, 2, 3, 4, 5, 6], "i386": [11, 12, 13, 14, 15, 16]}
