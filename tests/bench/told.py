"""Ask ``compare`` about programs whose difference is known, over and over.

``make told``. Variants of one program are recorded by turns, five runs a side, and compared: with
itself, with one that makes one syscall more, one that makes 10 % more calls, and one whose calls
take longer. Counts must be told right each time. What varies is told with the error rate
that ``compare`` states: so it is counted how many figures are said to differ where none does, and
how often a difference is found that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

SBTRACE = Path(sys.executable).parent / "sbtrace"
SOURCE = Path(__file__).with_name("told.c")
RUNS = 5
"""A side."""
CALLS, READ_BYTES, SLOWER = 1000, 4096, 4
TIMED = ("wall_ns", "user_ns", "system_ns", "max_rss_bytes", "minor_faults", "major_faults")


class Kind(NamedTuple):
    """A way in which side B differs."""

    name: str
    flags: tuple[str, ...] = ()


KINDS = (
    Kind("nothing"),
    Kind("one syscall", ("-DONE_MORE",)),
    Kind("10 % of calls", (f"-DCALLS={CALLS + CALLS // 10}",)),
    Kind("latency", (f"-DBYTES={READ_BYTES * SLOWER}",)),
)
BASE = Kind("base")


def main() -> int:
    """Print a table; exit 1 if a count was told wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100, metavar="N", help="comparisons of each")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sbtrace-told-") as name:
        folder = Path(name)
        os.environ["SBTRACE_DB"] = str(folder / "told.duckdb")
        built = {kind: _built(kind, folder) for kind in (BASE, *KINDS)}
        seen = {kind: Counter[str]() for kind in KINDS}
        for time in range(times):
            _record(built, time)
            for kind in KINDS:
                seen[kind].update(_told(kind, time))
            if sys.stderr.isatty():
                print(f"\r{time + 1} of {times}", end="", file=sys.stderr, flush=True)
    _print(seen, times)
    return int(any(counts["right"] < times for counts in seen.values()))


def _built(kind: Kind, folder: Path) -> Path:
    program = folder / str(
        KINDS.index(kind) if kind in KINDS else len(KINDS)
    )  # names of one length
    subprocess.run(["cc", "-O2", *kind.flags, SOURCE, "-o", program], check=True)
    return program


def _record(built: dict[Kind, Path], time: int) -> None:
    """By turns, so that what drifts on the machine drifts on both sides."""
    kinds = list(built)
    for turn in range(RUNS):
        for kind in kinds[turn:] + kinds[:turn]:  # each is once the first
            tags = [f"--tag=time={time}", f"--tag=kind={kind.name}"]
            subprocess.run(
                [SBTRACE, "run", "--quiet", "--require-exact", *tags, "--", built[kind]], check=True
            )


def _told(kind: Kind, time: int) -> Counter[str]:
    """``right``: all counts are; ``found``: read takes longer; ``varied``, ``differed``: how many
    figures that are no counts have a verdict, and of how many it is that they differ."""
    sides = [f"tag:time={time},tag:kind={name}" for name in (BASE.name, kind.name)]
    answer = subprocess.run([SBTRACE, "compare", *sides, "--json"], check=True, capture_output=True)
    found = json.loads(answer.stdout)
    timed = [found["figures"][name] for name in TIMED]
    timed += [call["latency_ns"] for call in found["syscalls"]]
    return Counter(
        right=_counts(found) == _expected(kind),
        found=_differs(_call(found, "read")["latency_ns"]),
        varied=sum(each["verdict"] in ("noise", "differs") for each in timed),
        differed=sum(map(_differs, timed)),
    )


def _call(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(call for call in found["syscalls"] if call["name"] == name)


def _differs(each: dict[str, Any]) -> bool:
    return bool(each["verdict"] == "differs")


def _counts(found: dict[str, Any]) -> set[tuple[str, str, float]]:
    """What is said to differ of all counts: the syscall, what of it, and by how much."""
    told = {
        (call["name"], what, call[what]["shift"]["estimate"])
        for call in found["syscalls"]
        for what in ("calls", "errors", "blocked")
        if _differs(call[what])
    }
    failed = {
        (error["name"], error["errno_name"], error["failed"]["shift"]["estimate"])
        for error in found["errors"]
        if _differs(error["failed"])
    }
    total = found["figures"]["total_syscalls"]
    return (
        told | failed | ({("", "total", total["shift"]["estimate"])} if _differs(total) else set())
    )


def _expected(kind: Kind) -> set[tuple[str, str, float]]:
    return {
        "one syscall": {("getpgid", "calls", 1), ("", "total", 1)},
        "10 % of calls": {("getppid", "calls", CALLS // 10), ("", "total", CALLS // 10)},
    }.get(kind.name, set())


def _print(seen: dict[Kind, Counter[str]], times: int) -> None:
    print(f"{RUNS} runs a side, {times} comparisons of each kind\n")
    print("| what differs | counts told right | what varies |")
    print("|---|---|---|")
    for kind, counts in seen.items():
        wrong, varied = counts["differed"], counts["varied"]
        told = {
            "nothing": f"{wrong:,} of {varied:,} figures are said to differ: {wrong / varied:.1%}",
            "latency": f"`read` is found slower in {counts['found']} of {times}",
        }.get(kind.name, "")
        print(f"| {kind.name} | {counts['right']} of {times} | {told} |")


if __name__ == "__main__":
    sys.exit(main())
