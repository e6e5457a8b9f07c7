"""``sbtrace filter``: the seccomp filters in force in a running process."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Json


def register(app: typer.Typer) -> None:
    """Add ``filter`` to ``app``."""
    app.command(
        "filter",
        short_help="Show the seccomp filters of a running process.",
        epilog=examples("sbtrace filter 4711", "sbtrace filter --all --json 4711"),
    )(filter_)


def filter_(
    pid: Annotated[
        int, typer.Argument(metavar="PID", help="The process, or one of its threads.", min=1)
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Show every call by name, and every condition.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what the seccomp filters of a running process let through, read from the kernel.

    It takes root, and the process is stopped for a moment. Exit status: 0, also where nothing
    filters; 125 if the process is not there or cannot be read.
    """
    from tracer.cli import output as out
    from tracer.report.filter import FilterReport
    from tracer.sandbox import in_force

    out.report(FilterReport.of(in_force.read(pid)), json=json, whole=everything)
