"""What one call costs: of the observed program, and of a bystander on the same machine.

``python -m tests.bench.call_cost --rounds 9`` prints the figures that tuning bpf/ needs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import peers
from tests.bench.measure import built, environment, in_turn, under
from tests.bench.results import Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.peers import Tool

PART = "call"
TRACED, BESIDE = "of the traced program", "of another program"
BATCHES, CALLS = 2000, 500
SLOW_SHARE = 25
"""A slow tool gets that many times fewer calls."""


def observed(tool: Tool, loop: str, folder: Path, batches: int, calls: int) -> float:
    """Return the ns a call that the loop takes under ``tool``: the fastest decile of batches.

    A batch is far shorter than a time slice, so this leaves out those in which something
    else ran on the CPU, or had tracepoints of its own in force.
    """
    out = folder / "loop.out"
    out.unlink(missing_ok=True)
    under(tool, folder, [loop, str(out), str(batches), str(calls)])
    took = [int(line) for line in out.read_text().split()]
    return statistics.quantiles(took, n=10)[0] / calls


def beside(tool: Tool, loop: str, folder: Path, batches: int, calls: int) -> float:
    """Return the ns a call that the loop takes while ``tool`` observes an idle program."""
    with _observing_idle(tool, folder):
        return observed(peers.NATIVE, loop, folder, batches, calls)


@contextmanager
def _observing_idle(tool: Tool, folder: Path) -> Iterator[None]:
    with tool.attached(folder):
        process = subprocess.Popen(
            tool.wrap(folder, ["/bin/cat"]),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"ready\n")
            process.stdin.flush()
            if process.stdout.readline() != b"ready\n":  # the target runs once it answers
                raise RuntimeError(f"{tool.title}: ended before its target began")
            yield
            process.stdin.close()


def measure(
    results: Results, tools: Sequence[Tool], folder: Path, rounds: int, batches: int = BATCHES
) -> None:
    """Measure every tool in turn, both for the observed program and for another one."""
    loop = built("call_loop")
    for tool in in_turn(tools, rounds):
        calls = CALLS // SLOW_SHARE if tool.slow else CALLS
        results.add(PART, TRACED, tool.key, observed(tool, loop, folder, batches, calls))
        if tool is not peers.NATIVE:
            took = beside(tool, loop, folder, batches, CALLS)
            results.add(PART, BESIDE, tool.key, took)


def main() -> None:
    """Print the figures and the ratios that have a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--all", action="store_true", help="every tool that is installed")
    options = parser.parse_args()
    peers.private_mounts()
    tuned = (peers.NATIVE, peers.FLOOR, peers.SBTRACE, peers.BPFTRACE_COUNT)
    results = Results()
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-") as folder:
        tools, missing = peers.available(peers.TOOLS if options.all else tuned)
        print(*(f"{title}: {why}" for title, why in missing.items()), sep="\n", end="")
        measure(results, tools, Path(folder), options.rounds)
    for what in (TRACED, BESIDE):
        floor = results.get(PART, what, "floor")
        count = results.get(PART, what, "bpftrace")
        for tool in tools:
            figure = results.get(PART, what, tool.key)
            if figure and floor and count:
                low, high = figure.quartiles
                print(
                    f"{what:22} {tool.title:26} {figure.median:8.1f} ns [{low:.1f}..{high:.1f}]"
                    f"  x floor {figure.over(floor).median:.3f}"
                    f"  x bpftrace {figure.over(count).median:.3f}"
                )


if __name__ == "__main__":
    main()
