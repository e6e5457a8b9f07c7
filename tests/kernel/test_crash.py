"""SIGKILL to sbtrace at random moments, under load, with others writing to the same database.

SBTRACE_CRASHES is how often; 100 is what the promise was tried with.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import children, marked, programs_alive, started, until

if TYPE_CHECKING:
    from tests.kernel.supervised import Started
    from tests.support import Sbtrace

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

CRASHES = int(os.environ.get("SBTRACE_CRASHES", "12"))
LOAD = "setsid -f sh -c 'while :; do /bin/true; done'; while :; do echo x > /dev/null; done"
SEED = 20251


def victims(run: Started, which: str) -> list[int]:
    """The pids to kill, as far as they are there already."""
    front = run.front
    guard = children(front)[:1]
    supervisor = [pid for one in guard for pid in children(one)[:1]]
    return {"front": [front], "guard": guard or [front], "supervisor": supervisor or [front]}[which]


def test_sigkill_at_any_moment_loses_no_finished_run_and_lets_nobody_live(
    sbtrace: Sbtrace,
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    programs: set[int] = set()
    finished = 0
    marks = []
    for number in range(CRASHES):
        with started(sbtrace.db, LOAD, ["--trace", "full", "--tag", f"n={number}"]) as run:
            beside = subprocess.Popen(
                [*run.process.args[:2], "-q", "--db", sbtrace.db, "--tag", "beside=1", "true"]
            )
            if number % 2:  # by chance alone, all might be killed before they have anything to keep
                until(run.target, "the target is there")
            time.sleep(chance.uniform(0.05, 1.2))
            programs |= run.bpf_programs()
            for pid in victims(run, chance.choice(["front", "guard", "supervisor"])):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            until(lambda mark=run.mark: not marked(mark), "the target is dead")
            run.wait()
            assert beside.wait(60) == 0
            finished += 1
            marks.append(run.mark)
    assert not [mark for mark in marks if marked(mark)]
    until(lambda: sbtrace("runs").returncode == 0, "the database can be read")
    rows = sbtrace.sql(
        "SELECT outcome, tags['beside'] IS NOT NULL AS beside, count(*) AS n FROM runs GROUP BY ALL"
    )
    assert {(row["outcome"], row["n"]) for row in rows if row["beside"]} == {("exited", finished)}
    assert {row["outcome"] for row in rows if not row["beside"]} <= {"interrupted"}
    assert sum(row["n"] for row in rows if not row["beside"]) >= CRASHES // 2
    assert programs
    until(lambda: not programs & programs_alive(), "the kernel let go of the programs")
