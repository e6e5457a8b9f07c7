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
from tests.bench.measure import Figure, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.bench.peers import Tool

SOURCE = Path(__file__).with_name("call_loop.c")
BYSTANDER = " beside"
"""Ending of the key of a figure that was taken of an untraced process beside a traced one."""


def build(folder: Path) -> str:
    """Compile the loop; return its path."""
    program = folder / "call_loop"
    subprocess.run(["gcc", "-O2", SOURCE, "-o", program], check=True)
    return str(program)


def observed(tool: Tool, loop: str, folder: Path, batches: int, calls: int) -> float:
    """Return the ns a call that the loop takes under ``tool``: the fastest decile of batches.

    A batch is far shorter than a time slice, so this leaves out those in which something
    else ran on the CPU, or had tracepoints of its own in force.
    """
    out = folder / "loop.out"
    out.unlink(missing_ok=True)
    with tool.attached():
        used = run(tool.wrap(folder, [loop, str(out), str(batches), str(calls)]))
    if used.exit_status != 0:
        raise RuntimeError(f"{tool.title}: exit status {used.exit_status}")
    took = [int(line) for line in out.read_text().split()]
    return statistics.quantiles(took, n=10)[0] / calls


def beside(tool: Tool, loop: str, folder: Path, batches: int, calls: int) -> float:
    """Return the ns a call that the loop takes while ``tool`` observes an idle program."""
    with _observing_idle(tool, folder):
        return observed(peers.NATIVE, loop, folder, batches, calls)


@contextmanager
def _observing_idle(tool: Tool, folder: Path) -> Iterator[None]:
    with tool.attached():
        process = subprocess.Popen(
            tool.wrap(folder, ["/bin/cat"]),
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
    tools: Sequence[Tool], folder: Path, rounds: int, batches: int = 2000, calls: int = 500
) -> dict[str, Figure]:
    """Measure every tool once a round, in turn; return key (+ BYSTANDER) -> ns a call."""
    loop = build(folder)
    values: dict[str, list[float]] = {}
    for number in range(rounds):
        turn = number % len(tools)  # so that none always comes after the same other
        for tool in (*tools[turn:], *tools[:turn]):
            for ending, way in _ways(tool):
                share = 25 if tool.slow and not ending else 1
                took = way(tool, loop, folder, batches, max(calls // share, 1))
                values.setdefault(tool.key + ending, []).append(took)
    return {key: Figure(tuple(found)) for key, found in values.items()}


def _ways(tool: Tool) -> tuple[tuple[str, Callable[..., float]], ...]:
    if tool in (peers.NATIVE, peers.FLOOR):  # there, a bystander pays what everybody pays
        return (("", observed),)
    return ("", observed), (BYSTANDER, beside)


def main() -> None:
    """Print the figures and the ratios that have a bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--all", action="store_true", help="perf, strace and latency too")
    options = parser.parse_args()
    peers.private_tracefs()
    tuned = (peers.NATIVE, peers.FLOOR, peers.SBTRACE, peers.BPFTRACE_COUNT)
    tools = [tool for tool in (peers.TOOLS if options.all else tuned) if not tool.missing]
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-") as folder:
        figures = measure(tools, Path(folder), options.rounds)
    for key, figure in figures.items():
        low, high = figure.quartiles
        ratio = figure.over(figures["floor"])
        print(
            f"{key:24} {figure.median:9.1f} ns  [{low:.1f}..{high:.1f}]"
            f"  over floor {ratio.median:.3f} [{ratio.quartiles[0]:.3f}..{ratio.quartiles[1]:.3f}]"
        )
    if "bpftrace_count" in figures:
        ratio = figures["sbtrace"].over(figures["bpftrace_count"])
        print(f"sbtrace over bpftrace count: {ratio.median:.3f}")


if __name__ == "__main__":
    main()
