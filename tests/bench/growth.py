"""Cost as it grows: threads, short processes, and time."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import peers
from tests.bench.measure import built, environment, in_turn, under

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.results import Results

PART, MEMORY, TIME = "growth", "growth memory", "time"
THREADS = (1, 10, 100, 1000)
PROCESSES = (100, 1000, 10_000)
CALLS = 1_000_000
"""Of all threads together, however many they are."""
SHARE, FLAT, MEMORY_LATE = "CPU, % of one core", "memory grown, MiB", "memory at the end, MiB"
SETTLED_S = 3
"""After this long, what belongs to the start is over."""


def measure(
    results: Results,
    folder: Path,
    rounds: int,
    threads: Sequence[int] = THREADS,
    processes: Sequence[int] = PROCESSES,
    calls: int = CALLS,
) -> None:
    """Note wall time in ns and peak memory in bytes, with sbtrace and without."""
    for count in threads:
        command = [built("threads"), str(count), str(calls // count)]
        _each(results, f"{count:,} threads", command, folder, rounds)
    for count in processes:
        command = [built("short_processes"), str(count), "1", "17"]
        _each(results, f"{count:,} processes", command, folder, rounds)


def _each(results: Results, what: str, command: list[str], folder: Path, rounds: int) -> None:
    for tool in in_turn((peers.NATIVE, peers.SBTRACE), rounds):
        used = under(tool, folder, command)
        results.add(PART, what, tool.key, used.wall_ns)
        results.add(MEMORY, what, tool.key, used.max_rss_bytes)


def measure_time(results: Results, folder: Path, seconds: int) -> None:
    """Note what sbtrace uses beside a target that sleeps, once its start is over."""
    command = peers.SBTRACE.wrap(folder, ["/bin/sleep", str(seconds + 2 * SETTLED_S)])
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(SETTLED_S)  # the passing of time is what is measured
    pids = _family(process.pid)
    began, cpu, memory = time.monotonic_ns(), _cpu_ns(pids), _memory_bytes(pids)
    time.sleep(seconds)
    share = (_cpu_ns(pids) - cpu) / (time.monotonic_ns() - began)
    late = _memory_bytes(pids)
    if process.wait() != 0:
        raise RuntimeError(f"sbtrace beside a sleep: exit status {process.returncode}")
    what = f"{seconds} s beside a sleeping target"
    results.add(TIME, f"{what}: {SHARE}", peers.SBTRACE.key, 100 * share)
    results.add(TIME, f"{what}: {MEMORY_LATE}", peers.SBTRACE.key, late / 2**20)
    results.add(TIME, f"{what}: {FLAT}", peers.SBTRACE.key, (late - memory) / 2**20)


def _family(pid: int) -> list[int]:
    """Return ``pid`` and those of its descendants that run the same program: not the target."""
    found, program = [pid], Path(f"/proc/{pid}/exe").readlink()
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            children = map(int, (task / "children").read_text().split())
            found += [c for c in children if Path(f"/proc/{c}/exe").readlink() == program]
    return found


def _cpu_ns(pids: Sequence[int]) -> int:
    """CPU time of all their threads, to the nanosecond (/proc/PID/task/*/schedstat)."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(task.read_text().split()[0]) for task in tasks)


def _memory_bytes(pids: Sequence[int]) -> int:
    """Memory of all of them, what they share counted once (Pss of /proc/PID/smaps_rollup)."""
    texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    lines = (line.split() for text in texts for line in text.splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words[0] == "Pss:")
