"""Many threads and processes: are all of them counted, and what memory do their tables take?

``python -m tests.bench.tables``, as root. Exact, or the run has to say what is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.measure import built, environment

_POLL_S = 0.05
_LIVE = (1_000, 10_000, 40_000)
SBTRACE = Path(sys.executable).parent / "sbtrace"
CALLS = 3


class Load(NamedTuple):
    """A program of tests/programs with its arguments, and the getppid calls that it makes."""

    what: str
    words: tuple[str, ...]
    calls: int


def loads() -> list[Load]:
    """Return threads that all live at once, then short threads and short processes."""
    live = [
        Load(f"{n:,} live threads", (built("threads"), str(n), str(CALLS)), n * CALLS)
        for n in _LIVE
    ]
    short, processes = built("short_processes"), 20_000
    return [
        *live,
        Load("100,000 short threads", (short, "1000", "100", str(CALLS)), 100_000 * CALLS),
        Load("20,000 processes", (short, str(processes), "1", str(CALLS)), processes * CALLS),
    ]


def state_bytes(pids: list[int]) -> int:
    """Return what the kernel holds for the BPF maps of some processes: 0 if they have none."""
    maps: dict[int, int] = {}
    for pid in pids:
        for info in Path(f"/proc/{pid}/fdinfo").iterdir():
            fields = dict(line.split(":", 1) for line in info.read_text().splitlines())
            if "map_id" in fields:
                maps[int(fields["map_id"])] = int(fields["memlock"])
    return sum(maps.values())


def family(pid: int) -> list[int]:
    """Return sbtrace's own processes: ``pid``, and what descends from it by fork alone."""
    found, program = [pid], Path(f"/proc/{pid}/exe").readlink()
    for parent in found:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        found += [c for c in map(int, text.split()) if Path(f"/proc/{c}/exe").readlink() == program]
    return found


def observed(load: Load, folder: Path) -> tuple[dict[str, Any], int]:
    """Run one under sbtrace; return the run's record, and the most that its maps took."""
    output, most = folder / "run.json", 0
    command = [SBTRACE, "run", "--json", "-o", output, "--", *load.words]
    with subprocess.Popen(
        [str(word) for word in command],
        env=environment() | {"SBTRACE_DB": str(folder / "runs.duckdb")},
        stdout=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            with suppress(OSError):  # one of them is over
                most = max(most, state_bytes(family(process.pid)))
            time.sleep(_POLL_S)
    record: dict[str, Any] = json.loads(output.read_text())
    return record, most


def counted(record: dict[str, Any]) -> int:
    """Return the getppid calls that a run counted."""
    return sum(row["calls"] for row in record["syscalls"] if row["name"] == "getppid")


def main() -> None:
    """Print a line a load; exit status 1 if a call is missing and the run does not say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    silent = False
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-", dir="/var/lib") as name:
        for load in loads():
            record, most = observed(load, Path(name))
            missing = load.calls - counted(record)
            losses = {loss["kind"]: loss["count"] for loss in record["losses"]}
            silent |= missing != 0 and record["exact"]
            said = "exact" if record["exact"] else f"{losses}"
            print(f"{load.what:24} {most / 2**20:8.1f} MiB of maps  missing {missing:,}: {said}")
    sys.exit(silent)


if __name__ == "__main__":
    main()
