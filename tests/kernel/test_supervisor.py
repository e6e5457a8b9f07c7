"""If sbtrace dies, the whole target dies with it, and nothing of sbtrace stays either."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import (
    Started,
    children,
    marked,
    programs_alive,
    started,
    state,
    until,
)
from tests.unit.store.test_take_in import Holder

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

SBTRACE = str(Path(sys.executable).parent / "sbtrace")
IN_PYTHONS_START = b"Fatal Python error: init"
"""What Python 3.13 and later say of a SIGINT before anything of ours is read; the status is 1."""
SWALLOWED = b"KeyboardInterrupt"
"""Python may say so while it starts, and go on: whoever typed Ctrl-C types it again."""

# A command with a child, a grandchild that it waits for, and a daemon with a session of its own.
FAMILY = "sh -c 'sleep 1000; :' & setsid -f sleep 1000; echo ready; wait"
IMMORTAL = """
for n in 1 2 3; do setsid -f sh -c 'trap "" TERM HUP INT; while :; do sleep 1000; done'; done
trap "" TERM INT HUP; echo ready; while :; do sleep 1000; done
"""
# Each process forks the next and ends: its pid is another one all the time.
CHAIN = """
import os
print("ready", flush=True)
while True:
    if os.fork():
        os._exit(0)
"""


def gone(run: Started, everybody: list[int]) -> None:
    until(lambda: not run.target(), "the target is dead")
    until(lambda: not any(state(pid) for pid in everybody), "sbtrace is dead")


def kill(run: Started, who: str) -> None:
    victims = {
        "front": [run.front],
        "guard": [run.guard],
        "supervisor": [run.supervisor],
        "front and supervisor": [run.front, run.supervisor],
        "guard and supervisor": [run.supervisor, run.guard],
    }[who]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "who", ["front", "guard", "supervisor", "front and supervisor", "guard and supervisor"]
)
@pytest.mark.parametrize("script", [FAMILY, IMMORTAL], ids=["family", "immortal"])
def test_no_part_of_the_target_outlives_a_part_of_sbtrace(
    tmp_path: Path, who: str, script: str
) -> None:
    with started(tmp_path / "db", script) as run:
        assert run.line() == "ready"
        everybody = [run.front, run.guard, run.supervisor, *children(run.supervisor)]
        until(lambda: len(run.target()) >= 4, "the whole family is there")
        kill(run, who)
        gone(run, everybody)


def test_sigkill_to_the_whole_process_group_spares_the_guard_which_ends_the_daemons(
    tmp_path: Path,
) -> None:
    with started(tmp_path / "db", IMMORTAL, start_new_session=True) as run:
        assert run.line() == "ready"
        everybody = [run.front, run.guard, run.supervisor]
        os.killpg(run.front, signal.SIGKILL)
        gone(run, everybody)


def test_a_target_that_forks_and_ends_all_the_time_cannot_outrun_its_end(tmp_path: Path) -> None:
    with started(tmp_path / "db", f"python3 -c '{CHAIN}'; sleep 1000") as run:
        assert run.line() == "ready"
        everybody = [run.front, run.guard, run.supervisor]
        os.kill(run.supervisor, signal.SIGKILL)
        gone(run, everybody)


def test_no_bpf_program_stays_when_sbtrace_is_killed(tmp_path: Path) -> None:
    with started(tmp_path / "db", FAMILY, ["--trace", "full"]) as run:
        assert run.line() == "ready"
        everybody = [run.front, run.guard, run.supervisor]
        ours = run.bpf_programs()
        assert ours
        assert ours <= programs_alive()
        os.kill(run.supervisor, signal.SIGKILL)
        gone(run, everybody)
        until(lambda: not ours & programs_alive(), "the kernel let go of the programs")


@pytest.mark.parametrize("who", ["front", "guard", "supervisor"])
def test_a_run_whose_sbtrace_was_killed_is_recorded_as_interrupted(
    sbtrace: Sbtrace, who: str
) -> None:
    with started(sbtrace.db, FAMILY) as run:
        assert run.line() == "ready"
        kept = sbtrace.db.with_name(sbtrace.db.name + ".spool")
        until(lambda: list(kept.glob("[!.]*/run.json")), "the run is on the disk")
        everybody = [run.front, run.guard, run.supervisor]
        kill(run, who)
        gone(run, everybody)
    assert sbtrace("runs").returncode == 0
    assert [row["outcome"] for row in sbtrace.sql("SELECT outcome FROM runs")] == ["interrupted"]


def test_a_guard_that_dies_over_the_database_leaves_that_to_the_supervisor(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    assert sbtrace("run", "-q", "true").returncode == 0
    go = tmp_path / "go"
    with started(sbtrace.db, f"until [ -e {go} ]; do sleep 0.01; done; exit 4") as run:
        until(run.target, "the target is there")
        guard, supervisor = run.guard, run.supervisor
        with Holder(sbtrace.db):  # so that taking the run in lasts a moment
            go.touch()
            until(lambda: not children(supervisor), "the target is gone")
            os.kill(guard, signal.SIGKILL)
            until(lambda: children(run.front) == [supervisor], "the front has the supervisor")
        assert run.wait() == 4
    assert [row["exit_code"] for row in sbtrace.sql("SELECT exit_code FROM runs")] == [0, 4]


def test_the_caller_of_a_killed_supervisor_gets_125_and_a_line(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with errors.open("w") as stderr, started(tmp_path / "db", FAMILY, stderr=stderr) as run:
        assert run.line() == "ready"
        os.kill(run.supervisor, signal.SIGKILL)
        assert run.wait() == 125
    (line,) = errors.read_text().splitlines()
    assert "supervisor was killed" in line


def test_a_pipe_ends_when_the_target_closes_it_although_sbtrace_lives(tmp_path: Path) -> None:
    with started(tmp_path / "db", "exec >&-; sleep 1000") as run:
        assert run.line() == ""
        assert run.process.poll() is None


def test_the_guard_is_not_found_by_the_name_of_sbtrace(tmp_path: Path) -> None:
    with started(tmp_path / "db", FAMILY) as run:
        assert run.line() == "ready"
        assert "sbtrace" not in Path(f"/proc/{run.guard}/comm").read_text()
        assert os.getsid(run.guard) == run.guard
        assert os.getpgid(run.supervisor) == os.getpgid(run.front)


@pytest.mark.parametrize("words", [["--no-such-option"], ["--help"], []])
def test_a_command_line_that_asks_for_no_run_leaves_no_process(words: list[str]) -> None:
    """The supervisor and the guard are there before the command line is read."""
    mark = f"MARK={secrets.token_hex(8)}"
    done = subprocess.run(
        ["env", mark, SBTRACE, "run", *words], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == (0 if words == ["--help"] else 2)
    assert marked(mark) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("after_s", [0.02, 0.05, 0.08, 0.12, 0.16])
def test_a_signal_while_sbtrace_gets_ready_leaves_no_process(
    tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    mark = f"MARK={secrets.token_hex(8)}"
    command = ["env", mark, SBTRACE, "run", "-q", "--db", tmp_path / "db", "sleep", "100"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        time.sleep(after_s)
        os.killpg(process.pid, number)
        said = b""
        for line in process.stderr or ():
            said += line
            if SWALLOWED in line:
                os.killpg(process.pid, number)
        # by its own handler, or before Python or sbtrace had one
        assert process.wait(30) in (128 + number, -number) or IN_PYTHONS_START in said
    until(lambda: not marked(mark), "all of sbtrace is dead")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("group", [False, True], ids=["front", "group"])
def test_a_run_that_waits_for_a_file_can_be_ended(
    tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    """Nothing has been started, and all of sbtrace ends as if it were one process."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    mark = f"MARK={secrets.token_hex(8)}"
    command = ["env", mark, SBTRACE, "run", "--db", tmp_path / "db", "-o", fifo, "true"]
    with subprocess.Popen(
        command, start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: len(marked(mark)) == 3, "all three are there")
        time.sleep(0.3)  # until it waits; if it does not yet, the end is the same
        (os.killpg if group else os.kill)(process.pid, number)
        expected = -number if number == signal.SIGKILL else 128 + number
        assert process.wait(10) == expected
        until(lambda: not marked(mark), "all of sbtrace is dead")
        if number != signal.SIGKILL:
            assert process.stderr is not None
            assert f"ended by {number.name} before the command" in process.stderr.read()
