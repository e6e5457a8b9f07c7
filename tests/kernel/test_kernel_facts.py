"""What sbtrace's figures rest on, asked of the running kernel by a probe of the tests' own.
If one of these fails on another kernel, the figures there need another look.

Held elsewhere: /proc/PID/io (test_counting_claims.py), the frames of a refused call
(test_symbols_recorded.py), libseccomp and newer calls (test_filter.py)."""

from __future__ import annotations

import platform
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.kernel_events import END, ENTER, EXIT, SIGSYS, KernelEvents, Seccomp, Watched
from tests.support import Programs, run
from tests.unit.symbols.support import compile_c
from tracer import syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="probe.c reads x86-64 registers"),
]
N = 23
SYS_SECCOMP = 1
ERESTARTSYS = 512


def nr(name: str) -> int:
    return int(syscalls.number("x86_64", name))


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelEvents]:
    events = KernelEvents()
    yield events
    events.close()


@pytest.fixture(scope="module")
def refused(public_folder: Path) -> Path:
    """The compiled refused.c."""
    source = Path(__file__).with_name("refused.c")
    return compile_c(public_folder / "refused-facts", "-pthread", source=source)


def seen(watched: Watched, name: str) -> tuple[int, int]:
    """(entries, exits) of one syscall."""
    return len(watched.of(ENTER, nr(name))), len(watched.of(EXIT, nr(name)))


# ---- what seccomp refuses ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "exits", "signals"),
    [
        ("blocked_errno", N, 0),
        ("blocked_trap", N, N),
        ("blocked_kill", 1, 1),
        ("blocked_kill_thread", 0, 0),
    ],
)
def test_seccomp_decides_before_sys_enter(
    kernel: KernelEvents, programs: Programs, program: str, exits: int, signals: int
) -> None:
    """A refused call is an exit without an entry; of KILL_THREAD there is not even that."""
    watched = kernel.watch([programs[program], "--self"])
    assert seen(watched, "getpgid") == (0, exits)
    assert len(watched.of(SIGSYS)) == signals


def test_a_logged_call_has_both_entry_and_exit(kernel: KernelEvents, refused: Path) -> None:
    """SECCOMP_RET_LOG lets it through."""
    assert seen(kernel.watch([refused, "logged", str(N)]), "getpgid") == (N, N)


def test_a_refusal_for_want_of_a_tracer_is_an_exit_alone(
    kernel: KernelEvents, refused: Path
) -> None:
    """SECCOMP_RET_TRACE with nobody tracing."""
    assert seen(kernel.watch([refused, "tracer", str(N)]), "getpgid") == (0, N)


def test_the_signal_says_which_call_was_refused(kernel: KernelEvents, programs: Programs) -> None:
    """siginfo of the SIGSYS: number, ABI and address of the call."""
    watched = kernel.watch([programs["blocked_trap"], "--self"])
    told = [Seccomp.of(event) for event in watched.of(SIGSYS)]
    assert {(t.signo, t.code, t.nr) for t in told} == {(31, SYS_SECCOMP, nr("getpgid"))}
    assert {t.arch for t in told} == {syscalls.AUDIT_ARCH["x86_64"]}
    assert all(t.call_address for t in told)


def test_the_signal_comes_before_the_exit(kernel: KernelEvents, programs: Programs) -> None:
    """So the exit can be told from that of a call refused with an errno."""
    watched = kernel.watch([programs["blocked_trap"], "--self"])
    kinds = [e.kind for e in watched.events if e.kind == SIGSYS or e.id == nr("getpgid")]
    assert kinds == [SIGSYS, EXIT] * N


def test_a_wait_status_says_sigsys_and_no_more(kernel: KernelEvents, programs: Programs) -> None:
    """Not which call, nor why."""
    watched = kernel.watch([programs["blocked_kill"], "--self"])
    assert watched.status & ~0x80 == signal.SIGSYS  # 0x80: with a core file, or not


# ---- look-alikes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program", ["policy_violation", "vfork_children", "clone3_raw", "posix_spawn", "threads"]
)
def test_a_childs_first_event_is_an_exit_with_0(
    kernel: KernelEvents, programs: Programs, program: str
) -> None:
    """fork, vfork, clone and clone3 return in the child too: an exit without an entry that is
    no refused call."""
    watched = kernel.watch([programs[program]])
    children = [events for tid, events in watched.by_task() if tid != watched.pid]
    assert children
    clones = {nr(name) for name in ("clone", "clone3", "vfork", "fork")}
    for events in children:
        assert (events[0].kind, events[0].ret) == (EXIT, 0)
        assert events[0].id in clones


def test_sigreturns_exit_has_no_number(kernel: KernelEvents, programs: Programs) -> None:
    """Its registers are those of the interrupted code by then: the number is -1."""
    watched = kernel.watch([programs["sigreturn"]])
    number = nr("rt_sigreturn")
    assert len(watched.of(ENTER, number)) == 101
    assert watched.of(EXIT, number) == []
    assert len(watched.of(EXIT, -1)) == 101


def test_exit_group_never_returns(kernel: KernelEvents, programs: Programs) -> None:
    """An entry, an end, and no exit."""
    watched = kernel.watch([programs["nothing"]])
    assert seen(watched, "exit_group") == (1, 0)
    assert [event.kind for event in watched.events[-2:]] == [ENTER, END]


def test_a_call_that_its_thread_dies_in_has_an_exit_all_the_same(
    kernel: KernelEvents, programs: Programs
) -> None:
    """The kernel unwinds the call before it ends the thread, but no program sees the result:
    such a call is unfinished."""
    watched = kernel.watch([programs["thread_killed"]])
    assert seen(watched, "readv") == (7, 7)
    assert {event.ret for event in watched.of(EXIT, nr("readv"))} == {-ERESTARTSYS}


def test_a_thread_that_execs_takes_the_leaders_tid(
    kernel: KernelEvents, programs: Programs
) -> None:
    """The execve begins under one tid and returns under another one."""
    watched = kernel.watch([programs["exec_from_thread"]])
    (begun,) = watched.of(ENTER, nr("execve"))[1:]
    (returned,) = watched.of(EXIT, nr("execve"))[1:]
    assert begun.tid != watched.pid
    assert returned.tid == watched.pid


def test_the_number_alone_does_not_name_a_call(kernel: KernelEvents, programs: Programs) -> None:
    """`int 0x80` uses the i386 table: 64 is getppid there, and semget on x86-64."""
    watched = kernel.watch([programs["int80"]])
    assert len(watched.of(ENTER, 64)) == 11 + 13
    x32 = kernel.watch([programs["x32"]])
    assert len(x32.of(ENTER, syscalls.X32_BIT | nr("getppid"))) == 11


# ---- what the machine need not have -----------------------------------------------------


def test_neither_headers_nor_tracefs_nor_a_kept_program_are_needed(tmp_path: Path) -> None:
    """With none of them visible the program is compiled, loaded, and counts exactly."""
    hidden = ("/lib/modules", "/usr/src", "/sys/kernel/tracing", "/sys/kernel/debug", "/var/cache")
    hide = " && ".join(f"mount -t tmpfs none {path}" for path in hidden if Path(path).is_dir())
    output = tmp_path / "run.json"
    sbtrace = Path(sys.executable).parent / "sbtrace"
    command = f'{hide} && exec "$@"'
    done = run(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", command, "sh"),
            *(sbtrace, "run", "--trace", "full", "--require-exact"),
            *("--interval", "60000", "--json", "-o", output, "/bin/true"),
        ],
        env={"SBTRACE_DB": str(tmp_path / "runs.duckdb"), "BCC_KERNEL_SOURCE": "/nonexistent"},
    )
    assert done.returncode == 0, done.stderr
