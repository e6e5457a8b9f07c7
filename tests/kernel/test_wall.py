"""How long a run took: all the time that its CPU time was used in, however late sbtrace comes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import Sbtrace, expectation, run

if TYPE_CHECKING:
    from tests.support import Programs

pytestmark = pytest.mark.kernel

TRACES = pytest.mark.parametrize("trace", ["full", "none"])

LATE = """
import select
from tracer.session import run

await_exec = run._Session._await

def late(session, *descriptors):
    await_exec(session, *descriptors)
    select.select([session._target._launcher.pidfd], [], [])  # until the command is over

run._Session._await = late

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


def assert_is_whole(recorded: dict[str, Any], sbtrace: Sbtrace) -> None:
    """The first process begins after the run, by the work of its execve; the last one ends before
    it, by the work of its exit; and so do the samples."""
    processes = recorded["processes"]
    first = min(processes, key=lambda one: one["process_id"])
    assert 0 < first["start_ns"] < first["end_ns"]
    assert max(one["end_ns"] for one in processes) < recorded["wall_ns"]
    (row,) = sbtrace.sql("SELECT min(at_ns) AS first FROM samples")
    assert row["first"] >= first["start_ns"]


def test_a_run_lasts_from_before_its_first_process_to_after_its_last(
    sbtrace: Sbtrace, programs: Programs
) -> None:
    """The last one outlives the command."""
    recorded = sbtrace.run("sh", "-c", f"({programs['span']} & exec true)").record
    assert len({one["pid"] for one in recorded["processes"]}) == 3
    assert_is_whole(recorded, sbtrace)


AHEAD_S = 100_000


def test_in_a_time_namespace_the_kernels_clock_and_sbtraces_own_are_told_apart(
    tmp_path: Path,
) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    inside = (unshare, "--time", "--monotonic", str(AHEAD_S), "--fork")
    sbtrace = Sbtrace(tmp_path, [*inside, Path(sys.executable).parent / "sbtrace"])
    recorded = sbtrace.run("true").record
    assert recorded["trace"] == "full"
    assert_is_whole(recorded, sbtrace)
    assert recorded["wall_ns"] < AHEAD_S * 1_000_000_000


ROUNDING_NS = 2 * 1_000
"""getrusage(2) tells microseconds, of the time in user mode and of that in the kernel."""
INTERVAL_MS = 20
WORK = f"import time\nwhile time.process_time() < {3 * INTERVAL_MS / 1000}: pass\n"
MEMORY = f"import mmap, os\nheld = mmap.mmap(-1, {256 << 20}, flags=0x8022)\nos._exit(0)\n"
"""MAP_POPULATE, of mmap(2): the kernel touches all of it at once, and frees it at the exit."""
ALONE = {
    "true": ["true"],
    "id": ["id"],
    "works": [sys.executable, "-Sc", WORK],
    "frees 256 MiB": [sys.executable, "-Sc", WORK + MEMORY],
}
"""Programs of one thread, each."""
PROFILES = ("LEARNING", "STRICT")
"""Without a filter, and with one whose load is CPU time, too."""


@TRACES
@pytest.mark.parametrize("name", ALONE)
def test_one_thread_uses_no_more_cpu_than_its_run_lasts(
    sbtrace: Sbtrace, name: str, trace: str
) -> None:
    """The filter's load, the execve and the freeing of memory at the exit are in both."""
    for profile in PROFILES:
        options = ["--trace", trace, "--profile", profile, "--interval", str(INTERVAL_MS)]
        recorded = sbtrace.run(*ALONE[name], options=options).record
        assert recorded["user_ns"] + recorded["system_ns"] <= recorded["wall_ns"] + ROUNDING_NS
        most = 100 * (1 + ROUNDING_NS / (INTERVAL_MS * 1_000_000))
        assert (recorded["peak_cpu_percent"] or 0) <= most


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
