"""What each kernel is asked first, by pytest: does sbtrace count here, and how do tasks end?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.refusing import Refusing
from tests.unit.symbols.support import compile_c

if TYPE_CHECKING:
    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel
N = 200
HIDDEN = Path(__file__).parents[2] / "kernel" / "hidden.c"


@pytest.fixture
def refusing(sbtrace: Sbtrace, public_folder: Path) -> Refusing:
    return Refusing(sbtrace, public_folder)


@pytest.fixture(scope="module")
def hidden(public_folder: Path) -> Path:
    """Two threads that are refused at once, as often as it is told."""
    return compile_c(public_folder / "hidden", "-pthread", source=HIDDEN)


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
    assert refusing.losses() == {}
    assert recorded.record["blocked_syscalls"] == 2 * N


def test_threads_that_are_killed_beside_others_are_all_counted(
    refusing: Refusing, programs: Programs
) -> None:
    """Three threads, each joined by one that goes on, 200 times."""
    again = f"i=0; while [ $i -lt {N} ]; do {programs['blocked_kill_thread']}; i=$((i+1)); done"
    recorded = refusing('kill_thread = ["getpgid"]', "sh", "-c", again)
    assert refusing.losses() == {}
    assert recorded.record["blocked_syscalls"] == 3 * N
