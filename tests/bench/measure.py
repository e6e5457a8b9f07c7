"""Commands under a tool: what the whole used, and how long the command alone took."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.bench.peers import Tool

SOURCES = (Path(__file__).parent, Path(__file__).parent.parent / "programs")
SLOW_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Used:
    """One command from start to end, and the children that it waited for."""

    wall_ns: int
    cpu_ns: int
    max_rss_bytes: int
    """Largest resident set of any one of these processes."""
    exit_status: int


@cache
def built(name: str) -> str:
    """Compile ``name``.c of the bench or of the test programs, once; return the path."""
    program = _programs() / name
    source = next(file for folder in SOURCES if (file := folder / f"{name}.c").exists())
    options = ["-O2", "-D_GNU_SOURCE", "-pthread"]
    subprocess.run(["gcc", *options, source, "-o", program], check=True)
    return os.fspath(program)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sbtrace-bench-")


def _programs() -> Path:
    return Path(_folder().name)


def under(
    tool: Tool, folder: Path, command: Sequence[str], env: Mapping[str, str] | None = None
) -> Used:
    """Run ``command`` under ``tool``, whose files go to ``folder``; return what both used.

    Raises RuntimeError if it does not exit with 0.
    """
    report, printed = folder / "used", folder / "printed"
    with tool.attached(folder), printed.open("wb") as output:
        subprocess.run(
            [built("spawn"), str(report), *tool.wrap(folder, command)],
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )
    used = Used(*map(int, report.read_text().split()))
    if used.exit_status != 0:
        last = printed.read_text(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"{tool.title}: {command[0]}: status {used.exit_status}: {last}")
    return used


def inner_wall_ns(
    tool: Tool,
    folder: Path,
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    statuses: Sequence[int] = (0,),
) -> int:
    """Return how long ``command`` took under ``tool``, without the tool's own start and end."""
    fifo = folder / "fifo"
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    wrapped = tool.wrap(folder, [built("begin"), str(fifo), *command])
    with (
        tool.attached(folder),
        subprocess.Popen(
            wrapped,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
        _reading(fifo, process) as stream,
    ):
        began = os.read(stream, 32)
        os.read(stream, 1)  # returns at the end of the last process that has it open
        ended = time.monotonic_ns()
    if process.returncode not in statuses:
        raise RuntimeError(f"{tool.title}: {command[0]}: status {process.returncode}")
    return ended - int(began)


@contextmanager
def _reading(fifo: Path, process: subprocess.Popen[bytes]) -> Iterator[int]:
    """Open ``fifo`` to read; do not wait for its writer longer than ``process`` lives."""
    stream = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(stream, select.POLLIN)
    try:
        while not poll.poll(100):
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r}: ended before its target began")
        os.set_blocking(stream, True)
        yield stream
    finally:
        os.close(stream)


def environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return ours without what would change the figures, and with ``added``.

    sudo's variables: the target is to stay root. Python's: compiled modules are to be kept,
    as they are where sbtrace is installed, but not within a checkout that may be a user's.
    """
    foreign = ("SUDO_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PYTHONPYCACHEPREFIX": os.fspath(_programs() / "pycache"), **(added or {})}


def in_turn(tools: Sequence[Tool], rounds: int) -> Iterator[Tool]:
    """Yield each tool once a round, so that a slow minute slows all of them down.

    The order moves on by one each round, so that none always comes after the same other.
    Slow ones take part in the first rounds only: their figures are not near any bar.
    """
    for number in range(rounds):
        turn = number % len(tools)
        for tool in (*tools[turn:], *tools[:turn]):
            if not tool.slow or number < SLOW_ROUNDS:
                yield tool
