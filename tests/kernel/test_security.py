"""What was tried to get out of a run, from within the target; docs/security.md lists it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import state
from tests.support import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel

NONE = ["--trace", "none"]
ANCESTORS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
up, pid = [], os.getpid()
for _ in range(3):
    pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    up.append(pid)
"""
PTRACE = ANCESTORS + "print([libc.ptrace(16, pid, 0, 0) for pid in up])"
KILL = (
    ANCESTORS
    + """
found = []
for pid in up:
    try:
        os.kill(pid, 9)
        found.append(True)
    except PermissionError:
        found.append(False)
print(found)
"""
)
MEMORY = (
    ANCESTORS
    + """
found = []
for pid in up:
    try:
        open(f"/proc/{pid}/mem", "r+b")
        found.append(True)
    except PermissionError:
        found.append(False)
print(found)
"""
)
STARVE = (
    ANCESTORS
    + """
import resource
for pid in up:
    resource.prlimit(pid, resource.LIMIT, (0, 0))
print(os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "SECONDS"), flush=True)
"""
)
FILTERS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print([libc.syscall(nr, 0, 0, 0, 0, 0), ctypes.get_errno()])
"""
PYTHON = "/usr/bin/python3"


@pytest.mark.parametrize(
    "user", [["--cap", "none"], ["--user", "nobody"]], ids=["root without capabilities", "nobody"]
)
@pytest.mark.parametrize(
    ("script", "answer"),
    [(PTRACE, "[-1, -1, -1]"), (MEMORY, "[False, False, False]")],
    ids=["ptrace", "proc_mem"],
)
def test_a_target_cannot_enter_a_process_of_sbtrace(
    sbtrace: Sbtrace, user: list[str], script: str, answer: str
) -> None:
    done = sbtrace("run", "-q", *NONE, *user, PYTHON, "-c", script)
    assert done.stdout.strip() == answer, done.stderr


@pytest.mark.parametrize(
    ("script", "answer"),
    [(PTRACE, "[-1, -1, -1]"), (MEMORY, "[False, False, False]")],
    ids=["ptrace", "proc_mem"],
)
def test_a_target_of_an_ordinary_user_cannot_enter_a_process_of_sbtrace(
    ordinary_sbtrace: Sbtrace, script: str, answer: str
) -> None:
    done = ordinary_sbtrace("run", "-q", PYTHON, "-c", script)
    assert done.stdout.strip() == answer, done.stderr


def test_a_target_of_another_user_cannot_signal_sbtrace(sbtrace: Sbtrace) -> None:
    done = sbtrace("run", "-q", *NONE, "--user", "nobody", PYTHON, "-c", KILL)
    assert done.stdout.strip() == "[False, False, False]"


def test_a_target_that_starves_sbtrace_of_open_files_ends_with_it_and_one_line_says_so(
    ordinary_sbtrace: Sbtrace,
) -> None:
    """No filter keeps it from prlimit(2), and its user is sbtrace's. Nothing lives on."""
    script = STARVE.replace("LIMIT", "RLIMIT_NOFILE").replace("SECONDS", "60")
    done = ordinary_sbtrace("run", "-q", PYTHON, "-c", script)
    assert done.returncode == 125
    assert state(int(done.stdout)) is None  # what the command left behind
    assert done.stderr == (
        "sbtrace: somebody lowered its own RLIMIT_NOFILE while it ran: the command was ended with "
        "it; `sbtrace runs` takes in what was recorded until then, from the folder .spool beside "
        "the database, and lists it\n"
    )


def test_a_target_that_starves_sbtrace_of_memory_is_recorded_once_there_is_some(
    ordinary_sbtrace: Sbtrace,
) -> None:
    """It is chance where memory first lacks: at the end, in DuckDB, or in the run, which ends."""
    script = STARVE.replace("LIMIT", "RLIMIT_AS").replace("SECONDS", "0")
    done = ordinary_sbtrace("run", "-q", PYTHON, "-c", script)
    assert not done.stdout or state(int(done.stdout)) is None  # it may be ended before it says it
    assert re.search("look at the limit on memory|somebody lowered its own RLIMIT_AS", done.stderr)
    assert done.stderr.count("\n") == 1
    (row,) = json.loads(ordinary_sbtrace("runs", "--json").stdout)["runs"]
    assert row["outcome"] in {"exited", "interrupted"}


def test_a_target_cannot_open_the_database_of_root(sbtrace: Sbtrace) -> None:
    assert sbtrace("run", "-q", *NONE, "true").returncode == 0
    done = sbtrace("run", "-q", *NONE, "--user", "nobody", "cat", sbtrace.db)
    assert done.returncode == 1
    assert done.stdout == ""


@pytest.mark.parametrize("profile", ["STRICT", "RESOURCE-AWARE"])
@pytest.mark.parametrize("nr", [425, 101, 310, 321], ids=["io_uring", "ptrace", "readv", "bpf"])
def test_a_profile_that_restricts_lets_no_such_call_through(
    sbtrace: Sbtrace, profile: str, nr: int
) -> None:
    script = FILTERS.replace("nr,", f"{nr},")
    recorded = sbtrace.run(PYTHON, "-S", "-c", script, options=["--profile", profile])
    assert recorded.record["blocked_syscalls"] >= 1
    assert recorded.process.returncode == 159 or recorded.process.stdout.startswith("[-1, ")


@pytest.mark.parametrize("profile", ["STRICT", "RESOURCE-AWARE"])
@pytest.mark.parametrize("program", ["int80", "x32"])
def test_calls_by_another_abi_are_death(
    sbtrace: Sbtrace, programs: Programs, profile: str, program: str
) -> None:
    recorded = sbtrace.run(programs[program], options=["--profile", profile])
    assert recorded.process.returncode == 128 + 31
    assert recorded.record["outcome"] == "blocked"


def test_the_filter_stays_through_execve(sbtrace: Sbtrace) -> None:
    words = ["sh", "-c", "exec grep Seccomp: /proc/self/status"]
    done = sbtrace("run", "-q", *NONE, "--profile", "STRICT", *words)
    assert done.stdout.split() == ["Seccomp:", "2"]


def test_typing_into_the_terminal_is_refused(sbtrace: Sbtrace, tmp_path: Path) -> None:
    source = tmp_path / "type.c"
    source.write_text(
        "#include <errno.h>\n#include <stdio.h>\n#include <sys/ioctl.h>\n"
        "int main(void) { char c = 120; int r = ioctl(0, TIOCSTI, &c);"
        ' printf("%d %d\\n", r, errno); return 0; }\n'
    )
    built = run(["cc", "-o", tmp_path / "type", source])
    assert built.returncode == 0, built.stderr
    options = ["--profile", "RESOURCE-AWARE"]
    recorded = sbtrace.run(tmp_path / "type", options=options)
    assert recorded.process.stdout == "-1 25\n"  # ENOTTY, by the profile
    assert recorded.record["blocked_syscalls"] == 1
