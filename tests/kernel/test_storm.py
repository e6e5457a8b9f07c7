"""Under load the counts are exact, or the run says how much is missing: never silently fewer."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import TIMEOUT, Programs, Sbtrace, expectation

pytestmark = pytest.mark.kernel
CALLS = 5_000_000
PROCESSES = 1_000
# Enough processes to write more tables than the ring buffer holds (16 MiB) with nobody reading.
MANY = 11_003


def kernel_losses(sbtrace: Sbtrace) -> dict[str, int]:
    rows = sbtrace.sql("SELECT kind, count FROM losses WHERE collector = 'kernel'")
    return {row["kind"]: row["count"] for row in rows}


def total(sbtrace: Sbtrace, name: str) -> int:
    (row,) = sbtrace.sql(
        f"SELECT sum(calls)::BIGINT AS calls FROM syscalls WHERE name = '{name}'"  # noqa: S608
    )
    return int(row["calls"])


def test_a_storm_is_counted_to_the_last_call(sbtrace: Sbtrace, programs: Programs) -> None:
    """Two threads of 5 M calls each, while 1,000 processes start and end. Exact, or if the
    machine was too slow, short by no more than the run admits."""
    recorded = sbtrace.run(programs["storm"], CALLS, PROCESSES)
    expected = expectation(recorded.process.stdout)
    losses = kernel_losses(sbtrace)
    missing = {name: n - total(sbtrace, name) for name, n in expected["calls"].items()}
    assert min(missing.values()) >= 0
    assert sum(missing.values()) <= losses.get("lost_calls", 0)
    if not losses:
        assert not any(missing.values())
        (row,) = sbtrace.sql("SELECT count(DISTINCT process_id) AS n FROM processes")
        assert row["n"] == expected["processes"]


# ---- a reader that does not read --------------------------------------------------------


@dataclass(frozen=True)
class Unread:
    """A run in which sbtrace stood still from the target's first line to its end."""

    returncode: int
    stderr: str
    record: dict[str, Any]
    expected: dict[str, Any]


@pytest.fixture(scope="module")
def unread(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> tuple[Sbtrace, Unread]:
    """short_processes with a stopped sbtrace, under --require-exact."""
    folder = tmp_path_factory.mktemp("unread")
    sbtrace, output = Sbtrace(folder), folder / "run.json"
    command = [
        *(Path(sys.executable).parent / "sbtrace", "run", "--require-exact"),
        *("--json", "-o", output, "--", *many(programs)),
    ]
    with subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, "SBTRACE_DB": str(sbtrace.db)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        expected = expectation(process.stdout.readline())
        supervisor = child_of(child_of(process.pid))
        os.kill(supervisor, signal.SIGSTOP)
        wait_for_end(child_of(supervisor))
        os.kill(supervisor, signal.SIGCONT)
        _, stderr = process.communicate(timeout=TIMEOUT)
    return sbtrace, Unread(process.returncode, stderr, json.loads(output.read_text()), expected)


def many(programs: Programs) -> tuple[str | Path, ...]:
    """The command: processes of one thread that call getppid once, and make a call that fails."""
    return programs["short_processes"], str(MANY), "1", "1", "1"


def child_of(pid: int) -> int:
    """The only child: of sbtrace its guard, of that the supervisor, of that the target."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def wait_for_end(pid: int) -> None:
    """Until the process is a zombie: its pidfd says so (pidfd_open(2))."""
    pidfd = os.pidfd_open(pid)
    ended, _, _ = select.select([pidfd], [], [], TIMEOUT)
    os.close(pidfd)
    assert ended, "the target did not end"


def test_what_the_ring_buffer_could_not_hold_is_said(
    unread: tuple[Sbtrace, Unread], programs: Programs, tmp_path: Path
) -> None:
    """Fewer calls were recorded than made, by exactly as many as are said to be lost."""
    sbtrace, run = unread
    losses = kernel_losses(sbtrace)
    assert losses["lost_tables"] > 0, losses
    assert losses["lost_calls"] > 0
    assert run.record["exact"] is False
    assert total(sbtrace, "getppid") < run.expected["calls"]["getppid"]
    read = Sbtrace(tmp_path)
    made = read.run(*many(programs)).record["total_syscalls"]
    made += kernel_losses(read).get("lost_calls", 0)  # on a machine that is busy besides
    assert run.record["total_syscalls"] + losses["lost_calls"] == made


def test_require_exact_fails_such_a_run(unread: tuple[Sbtrace, Unread]) -> None:
    """Exit status 125 and one line, though the target itself did well; the run is recorded."""
    sbtrace, run = unread
    assert run.returncode == 125
    assert run.record["exit_code"] == 0
    lines = [line for line in run.stderr.splitlines() if "--require-exact" in line]
    assert len(lines) == 1
    assert run.record["run_id"] in lines[0]
    assert sbtrace.sql("SELECT run_id FROM runs") == [{"run_id": run.record["run_id"]}]


def test_require_exact_passes_a_run_whose_samples_alone_are_late(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """Counts and samples are two things: a supervisor that stood still missed no call."""
    output = tmp_path / "run.json"
    command = [
        *(Path(sys.executable).parent / "sbtrace", "run", "--require-exact", "--interval", "10"),
        *("--json", "-o", output, "--", "/bin/cat"),
    ]
    with subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, "SBTRACE_DB": str(sbtrace.db)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        wait_for_a_sample(sbtrace.db)
        supervisor = child_of(child_of(process.pid))
        os.kill(supervisor, signal.SIGSTOP)
        select.select([], [], [], 0.1)  # ten intervals, or more: never less
        had = samples_bytes(sbtrace.db)
        os.kill(supervisor, signal.SIGCONT)
        while samples_bytes(sbtrace.db) == had:  # the late one, before the command ends
            select.select([], [], [], 0.01)
        process.communicate(timeout=TIMEOUT)
    record = json.loads(output.read_text())
    assert "late_sample" in {loss["kind"] for loss in record["losses"]}
    assert (record["exact"], record["samples_complete"]) == (True, False)
    assert process.returncode == 0
    columns = sbtrace.sql("SELECT exact, samples_complete FROM runs")
    assert columns == [{"exact": True, "samples_complete": False}]


def wait_for_a_sample(database: Path) -> None:
    """Until the spool of the run that goes on holds one."""
    while not samples_bytes(database):
        select.select([], [], [], 0.01)


def samples_bytes(database: Path) -> int:
    """Of the samples on the disk, of the run that goes on."""
    return sum(file.stat().st_size for file in database.parent.glob("*.spool/*/samples.jsonl"))


def test_require_exact_passes_an_exact_run(sbtrace: Sbtrace, programs: Programs) -> None:
    """Then the exit status is the target's."""
    recorded = sbtrace.run(programs["outcome"], "code", "7", options=["--require-exact"])
    assert recorded.record["exact"] is True
    assert recorded.process.returncode == 7
