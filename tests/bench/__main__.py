"""``make bench``: sbtrace beside its peers, measured side by side in one run.

Needs root, and the machine for itself: see docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
    from collections.abc import Sequence

    from tests.bench.peers import Tool

PARTS = ("call", "start", "program", "growth", "missing", "time")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    parts: Sequence[str]
    rounds: int
    calls: int
    seconds: int


QUICK = Plan(PARTS, rounds=3, calls=1_000_000, seconds=10)
NORMAL = Plan(PARTS, rounds=7, calls=missing.CALLS, seconds=60)
LONG_S = 600


def measure(plan: Plan, tools: Sequence[Tool], folder: Path) -> Results:
    """Measure every part of the plan. The start comes before what it is taken off from."""
    results = Results()
    todo = {
        "call": lambda: call_cost.measure(results, tools, folder, plan.rounds),
        "start": lambda: start.measure(results, tools, folder, plan.rounds),
        "program": lambda: workloads.measure(results, tools, folder, plan.rounds),
        "growth": lambda: growth.measure(results, folder, max(plan.rounds // 2, 1)),
        "missing": lambda: missing.measure(results, tools, folder, 3, plan.calls),
        "time": lambda: growth.measure_time(results, folder, plan.seconds),
    }
    for part in PARTS:
        if part in plan.parts:
            print(f"measuring: {part}", file=sys.stderr)
            todo[part]()
    return results


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the command line asks for."""
    base = QUICK if options.quick else NORMAL
    return Plan(
        options.part or PARTS,
        options.rounds or base.rounds,
        base.calls,
        LONG_S if options.long else base.seconds,
    )


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--long", action="store_true", help="ten minutes beside a sleeping target")
    parser.add_argument("--rounds", type=int, help="7, or 3 with --quick")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; repeatable")
    parser.add_argument("--json", action="store_true", help="every round as JSON, not the table")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into FILE too")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: eBPF needs root: run it with sudo")
    peers.private_mounts()
    tools, unavailable = peers.available(peers.TOOLS)
    facts = machine.describe()
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-") as folder:
        results = measure(plan_of(options), tools, Path(folder))
    facts["load"] += f", {os.getloadavg()[0]:.2f} after (the bench itself makes about 1)"
    text = report.text(results, facts, unavailable)
    print(report.as_json(results, facts, unavailable) if options.json else text, end="")
    if options.write:
        report.write_into(options.write, text)


if __name__ == "__main__":
    main()
