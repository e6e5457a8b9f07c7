"""Start: the wall time and the memory that tracing a command which does nothing takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import peers
from tests.bench.measure import in_turn, under
from tracer.collectors.kernel.program import cache
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.bench.peers import Tool
    from tests.bench.results import Results

PART, MEMORY = "start", "memory"
WARM, FIRST = "warm", "first ever"
COMPILED = "first ever, not built at set-up"
"""As where `make setup` could not build the BPF program, or pip alone installed sbtrace."""
NOTHING = ["/bin/true"]


def measure(results: Results, tools: Sequence[Tool], folder: Path, rounds: int) -> None:
    """Note wall time in ns and peak memory in bytes, of the tool and all that it starts."""
    for tool in in_turn(tools, rounds):
        if tool.attached is not peers.nothing_attached:
            continue  # it does not start commands
        if tool is peers.SBTRACE:
            with peers.hidden(bpf_dir() / "built"):
                _first(results, folder, COMPILED)
            _first(results, folder, FIRST)
        used = under(tool, folder, NOTHING)
        results.add(PART, WARM, tool.key, used.wall_ns)
        results.add(MEMORY, WARM, tool.key, used.max_rss_bytes)


def _first(results: Results, folder: Path, what: str) -> None:
    """As on the first day: nothing of this kernel is kept (the mount is ours), and no database."""
    for kept in cache.FOLDER.iterdir():
        kept.unlink()
    for old in folder.glob("bench.duckdb*"):
        if old.is_file():
            old.unlink()
    used = under(peers.SBTRACE, folder, NOTHING)
    results.add(PART, what, peers.SBTRACE.key, used.wall_ns)
    results.add(MEMORY, what, peers.SBTRACE.key, used.max_rss_bytes)
