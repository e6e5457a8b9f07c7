"""``make bench``: sbtrace beside its peers, measured side by side in one run.

Needs root, and the machine for itself: see docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests import support
from tests.bench import (
    call_cost,
    growth,
    machine,
    missing,
    peers,
    report,
    start,
    workloads,
)
from tests.bench.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.peers import Tool

PARTS = ("call", "start", "program", "growth", "missing", "time")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int
    batches: int
    calls: int
    """That are counted, in search of missing ones."""
    seconds: int
    threads: Sequence[int] = growth.THREADS
    processes: Sequence[int] = growth.PROCESSES
    workloads: Sequence[workloads.Workload] = workloads.WORKLOADS


NORMAL = Plan(7, call_cost.BATCHES, missing.CALLS, 60)
QUICK = Plan(3, call_cost.BATCHES, missing.CALLS // 10, 10)
SMOKE = Plan(1, 20, 8000, 1, (2,), (3,), (workloads.named("shell loop"),))
LONG_S = 600


def measure(plan: Plan, parts: Sequence[str], tools: Sequence[Tool], folder: Path) -> Results:
    """Measure the parts, one after the other; say on stderr which one is on."""
    results = Results()
    rounds = plan.rounds
    todo: dict[str, Callable[[], None]] = {
        "call": lambda: call_cost.measure(results, tools, folder, rounds, plan.batches),
        "start": lambda: start.measure(results, tools, folder, rounds),
        "program": lambda: workloads.measure(results, tools, folder, rounds, plan.workloads),
        "growth": lambda: growth.measure(
            results, folder, (rounds + 1) // 2, plan.threads, plan.processes
        ),
        "missing": lambda: missing.measure(results, tools, folder, min(rounds, 3), plan.calls),
        "time": lambda: growth.measure_time(results, folder, plan.seconds),
    }
    for part in parts:
        print(f"measuring: {part}", file=sys.stderr)
        todo[part]()
    return results


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the command line asks for."""
    plan = SMOKE if options.smoke else QUICK if options.quick else NORMAL
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    return replace(plan, seconds=LONG_S) if options.long else plan


_MAKES_OWN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKE_TERMOUT", "MAKE_TERMERR")


def main() -> None:
    """Measure, print, and write."""
    for name in _MAKES_OWN:  # a workload is a make of its own, not a part of the one that runs this
        os.environ.pop(name, None)
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--smoke", action="store_true", help="next to nothing: does it work?")
    parser.add_argument("--long", action="store_true", help="ten minutes beside a sleeping target")
    parser.add_argument("--rounds", type=int, help="7, or 3 with --quick")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; repeatable")
    parser.add_argument("--json", action="store_true", help="every round as JSON, not the table")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into FILE too")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: eBPF needs root: run it with sudo")
    support.hear_signals()  # syscount is ended by SIGINT, which a background job leaves ignored
    peers.private_mounts()
    tools, unavailable = peers.available(peers.TOOLS)
    facts = machine.describe() | {"before": machine.busy()}
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-") as folder:
        results = measure(plan_of(options), options.part or PARTS, tools, Path(folder))
    facts["after"] = f"{machine.busy()} (the bench itself makes a load of 1 to 2)"
    text = report.text(results, facts, unavailable)
    print(report.as_json(results, facts, unavailable) if options.json else text, end="")
    if options.write:
        report.write_into(options.write, text)


if __name__ == "__main__":
    main()
