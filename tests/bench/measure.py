"""One command from start to end: how long, and what it used by the kernel's accounts."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.bench.peers import Tool

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Used:
    """One command from start to end."""

    wall_ns: int
    cpu_ns: int
    """User and system time of it and of all children that it waited for."""
    max_rss_bytes: int
    """Largest resident set of it, or of one of these children."""
    exit_status: int


def run(
    command: Sequence[str],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: Path | None = None,
) -> Used:
    """Run ``command`` to its end; what it prints goes to ``output``, or nowhere.

    ``env`` is added to the environment, without sudo's variables: the target is to stay root.
    """
    whole = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    with Path(output or os.devnull).open("wb") as file:
        start = time.monotonic_ns()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**whole, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        wall_ns = time.monotonic_ns() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_ns = int((usage.ru_utime + usage.ru_stime) * NS)
    return Used(wall_ns, cpu_ns, usage.ru_maxrss * 1024, process.returncode)


def under(
    tool: Tool,
    folder: Path,
    command: Sequence[str],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Used:
    """Run ``command`` under ``tool``. Raises RuntimeError if it does not exit with 0."""
    with tool.attached(folder):
        used = run(tool.wrap(folder, command), cwd, env)
    if used.exit_status != 0:
        raise RuntimeError(f"{tool.title}: {command[0]}: exit status {used.exit_status}")
    return used


def in_turn(tools: Sequence[Tool], rounds: int) -> Iterator[Tool]:
    """Yield each tool once a round, so that a slow minute slows all of them down.

    The order moves on by one each round, so that none always comes after the same other.
    Slow ones take part in the first rounds only: their figures are not near any bar.
    """
    for number in range(rounds):
        turn = number % len(tools)
        for tool in (*tools[turn:], *tools[:turn]):
            if not tool.slow or number < slow_rounds(rounds):
                yield tool


def slow_rounds(rounds: int) -> int:
    """Return in how many of the rounds the slow tools take part."""
    return min(rounds, 3)


def fast(tools: Iterable[Tool]) -> list[Tool]:
    """Return the tools without the slow ones."""
    return [tool for tool in tools if not tool.slow]
