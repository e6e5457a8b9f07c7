"""How a run ended, in words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tracer.report.units import UNKNOWN, signal_text
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.model import Process, Run


def words(run: Run) -> str:
    """``exited with status 0``, ``killed by the seccomp filter (SIGSYS)``…"""
    how = ending(run.exit_code, run.term_signal)
    match run.outcome:
        case "running":
            return "still running, or sbtrace was killed before it could tell"
        case "blocked":
            return "killed by the seccomp filter (SIGSYS)"
        case "timed_out":
            return f"stopped at its time limit, {how}"
        case "interrupted":
            return f"interrupted, {how}"
        case _:
            return how


def ending(exit_code: int | None, term_signal: int | None) -> str:
    """``exited with status 3`` or ``killed by SIGSEGV (…)``; says so if neither is known."""
    if term_signal is not None:
        return f"killed by {signal_text(term_signal)}"
    if exit_code is not None:
        return f"exited with status {exit_code}"
    return "how it ended is unknown"


def is_good(run: Run) -> bool:
    """Whether the target ended by itself and with status 0."""
    return run.outcome == "exited" and run.exit_code == 0


def command(argv: Sequence[str]) -> str:
    """A command line as one would type it, on one line, with nothing a terminal obeys."""
    return " ".join(printable(shlex.quote(word)) for word in argv)


def process_command(process: Process) -> str:
    """What to call an image: its command line, else its name."""
    if process.argv:
        return command(process.argv) + (" ..." if process.argv_truncated else "")
    name = process.comm or process.executable
    return printable(name) if name else UNKNOWN
