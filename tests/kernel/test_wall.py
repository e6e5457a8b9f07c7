"""How long a run took: never less than the program itself saw, however late sbtrace comes."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import expectation, run

if TYPE_CHECKING:
    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel

TRACES = pytest.mark.parametrize("trace", ["full", "none"])

LATE = """
import select
from tracer.session import run

await_exec = run._Session._await_exec

def late(session):
    await_exec(session)
    select.select([session._launcher.pidfd], [], [])  # until the command is over

run._Session._await_exec = late

from tracer.cli.main import main
main()
"""
"""sbtrace, but its supervisor does not come to see the execve before the command has ended."""


@TRACES
def test_a_run_is_no_shorter_than_its_program_where_sbtrace_sees_the_start_last_of_all(
    sbtrace: Sbtrace, programs: Programs, trace: str
) -> None:
    output = sbtrace.folder / "run.json"
    command = ("run", "--trace", trace, "--json", "-o", output, "--db", sbtrace.db, "--")
    done = run([sys.executable, "-c", LATE, *command, programs["span"]])
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(output.read_text())
    assert record["trace"] == trace
    assert record["wall_ns"] >= expectation(done.stdout)["span_ns"]


def test_a_run_lasts_from_the_start_of_its_first_process_to_the_end_of_its_last(
    sbtrace: Sbtrace, programs: Programs
) -> None:
    """By the kernel's clock, which the samples are told by too."""
    recorded = sbtrace.run("sh", "-c", f"({programs['span']} & exec true)").record
    first = min(recorded["processes"], key=lambda one: one["process_id"])
    assert first["start_ns"] == 0
    assert recorded["wall_ns"] == max(one["end_ns"] for one in recorded["processes"])
    (row,) = sbtrace.sql("SELECT min(at_ns) AS first FROM samples")
    assert row["first"] >= 0


def test_without_ebpf_the_samples_count_from_where_the_run_does(
    sbtrace: Sbtrace, programs: Programs
) -> None:
    recorded = sbtrace.run(programs["span"], options=["--trace", "none"]).record
    (row,) = sbtrace.sql("SELECT min(at_ns) AS first, max(at_ns) AS last FROM samples")
    assert 0 <= row["first"] <= row["last"] <= recorded["wall_ns"]


@TRACES
def test_the_most_cpu_is_no_less_than_the_mean(sbtrace: Sbtrace, trace: str) -> None:
    """Of a run whose work lies in its beginning and its end, between two samples each."""
    work = "end = time.process_time() + 0.03\nwhile time.process_time() < end: pass\n"
    script = f"import time\n{work}time.sleep(0.03)\n{work}"
    options = ["--trace", trace, "--interval", "50"]
    run = sbtrace.run(sys.executable, "-S", "-c", script, options=options).record
    mean = 100 * (run["user_ns"] + run["system_ns"]) / run["wall_ns"]
    assert run["peak_cpu_percent"] >= mean
