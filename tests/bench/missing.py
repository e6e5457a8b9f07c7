"""Calls missing: what each tool counted of a known number, made by several threads at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.measure import built, in_turn, under

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.peers import Tool
    from tests.bench.results import Results

PART = "missing"
THREADS = 8
CALLS = 10_000_000
SLOW_CALLS = 200_000
"""Of a tool that takes microseconds a call: 10 M would take it minutes."""


def measure(
    results: Results, tools: Sequence[Tool], folder: Path, rounds: int, calls: int = CALLS
) -> None:
    """Note how many of the calls are missing (less than none: too many)."""
    for tool in in_turn(tools, rounds):
        if tool.getppids is None:
            continue
        each = (min(calls, SLOW_CALLS) if tool.slow else calls) // THREADS
        under(tool, folder, [built("threads"), str(THREADS), str(each)])
        seen = tool.getppids(folder)
        results.add(PART, f"of {each * THREADS:,}", tool.key, each * THREADS - seen)
