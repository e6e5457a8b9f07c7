"""What each kernel is asked first, by pytest: does sbtrace count here, and how do tasks end?"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.refusing import Refusing
from tests.unit.symbols.support import compile_c
from tracer.collectors.kernel.program.offsets import is_preemptible

if TYPE_CHECKING:
    from tests.support import Programs, Recorded, Sbtrace

pytestmark = pytest.mark.kernel
N = 200
HIDDEN = Path(__file__).parents[2] / "kernel" / "hidden.c"
PREEMPTED = Path(__file__).with_name("preempted.c")


@pytest.fixture
def refusing(sbtrace: Sbtrace, public_folder: Path) -> Refusing:
    return Refusing(sbtrace, public_folder)


@pytest.fixture(scope="module")
def hidden(public_folder: Path) -> Path:
    """Two threads that are refused at once, as often as it is told."""
    return compile_c(public_folder / "hidden", "-pthread", source=HIDDEN)


def expect_blocked(refusing: Refusing, recorded: Recorded, n: int) -> None:
    """All are counted; where tasks are preempted in the program, what is missing is said, and
    what may be a call whose entry was missed."""
    losses = refusing.losses()
    assert losses == {} or is_preemptible(os.uname().release), losses
    assert set(losses) <= {*MADE_GOOD, "missed_runs"}
    missed = losses.get("missed_runs", 0)
    assert abs(recorded.record["blocked_syscalls"] - n) <= missed, losses


def test_doctor_and_run_count_alike(sbtrace: Sbtrace) -> None:
    """All that doctor holds for required is there, and a run is exact."""
    doctor = sbtrace("doctor", "--db", sbtrace.db)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    recorded = sbtrace.run("true", options=["--trace", "full"])
    assert recorded.record["exact"], recorded.record["losses"]


def test_a_kernel_that_is_refused_is_told_so_in_a_sentence(sbtrace: Sbtrace) -> None:
    """Doctor and a run name the kernel that would do, and a run without figures still works."""
    doctor = sbtrace("doctor", "--db", sbtrace.db)
    asked = sbtrace("run", "--trace", "full", "true")
    assert (doctor.returncode, asked.returncode) == (1, 125)
    assert re.search(r"Linux 5\.\d+ or later", asked.stderr), asked.stderr
    assert asked.stderr.count("\n") == 1
    assert sbtrace.run("true").process.returncode == 0


def test_threads_that_are_killed_at_once_are_all_counted(refusing: Refusing, hidden: Path) -> None:
    """KILL_THREAD for both threads of a process, 200 times."""
    recorded = refusing('kill_thread = ["getpgid"]', hidden, "pairs", N)
    expect_blocked(refusing, recorded, 2 * N)


def test_threads_that_are_killed_beside_others_are_all_counted(
    refusing: Refusing, programs: Programs
) -> None:
    """Three threads, each joined by one that goes on, 200 times."""
    again = f"i=0; while [ $i -lt {N} ]; do {programs['blocked_kill_thread']}; i=$((i+1)); done"
    recorded = refusing('kill_thread = ["getpgid"]', "sh", "-c", again)
    expect_blocked(refusing, recorded, 3 * N)


WORKERS, CALLS, INTERRUPTIONS, CHILDREN, LEAF = 2, 10_007, 4_001, 101, 7
MADE_GOOD = {"untimed_calls", "untold_results"}


@pytest.mark.parametrize("rules", ["", '[errno]\nEXFULL = ["getpgid"]'], ids=["plain", "filtered"])
def test_counts_hold_where_tasks_preempt_each_other_in_the_program(
    rules: str, refusing: Refusing, public_folder: Path
) -> None:
    """Real-time threads go before all others on one processor, wherever those are: from Linux 7.0
    on also in our programs, which the kernel skips meanwhile. Nothing is counted twice, and what is
    missing is said."""
    program = compile_c(public_folder / "preempted", "-pthread", source=PREEMPTED)
    words = (program, *map(str, (WORKERS, CALLS, INTERRUPTIONS, CHILDREN)))
    options = ("--cap", "SYS_NICE") if rules else ()
    recorded = refusing(rules, *words, options=options)
    assert recorded.process.returncode == 0, recorded.process.stderr
    losses = refusing.losses()
    returned, errors = recorded.syscalls("calls"), recorded.syscalls("errors")
    expected = {
        "getppid": WORKERS * CALLS + 2 * INTERRUPTIONS + CHILDREN * LEAF,
        "clock_nanosleep": 2 * INTERRUPTIONS,
        "close": WORKERS * CALLS,
        "execve": 1 + CHILDREN,
        "getpgid": 0 if rules else WORKERS * CALLS,
    }
    missing = {name: max(0, n - returned[name]) for name, n in expected.items()}
    blocked = recorded.syscalls("blocked")["getpgid"]
    missing["getpgid"] += max(0, (WORKERS * CALLS if rules else 0) - blocked)
    told = {"losses": losses, "missing": missing, "errors": errors["close"], "blocked": blocked}
    assert set(losses) <= {*MADE_GOOD, "missed_runs"}, told
    assert sum(missing.values()) <= losses.get("missed_runs", 0), told
    untold = losses.get("untold_results", 0) + losses.get("missed_runs", 0)
    assert WORKERS * CALLS - errors["close"] <= untold, told
    assert returned["getppid"] <= expected["getppid"], told
    assert blocked <= WORKERS * CALLS, told
    (row,) = refusing.sbtrace.sql("SELECT count(DISTINCT process_id) AS n FROM processes")
    assert row["n"] == 1 + CHILDREN, told
    if losses:
        print(told)  # how much was made good
