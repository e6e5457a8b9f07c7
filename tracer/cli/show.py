"""``sbtrace show``: one recorded run, by process, thread, syscall or errno."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OneRun
from tracer.report.totals import By, Sort


def register(app: typer.Typer) -> None:
    """Add ``show`` to ``app``."""
    app.command(
        short_help="Show a recorded run: a summary, a table, a tree, bars.",
        epilog=examples(
            "sbtrace show --by process",
            "sbtrace show last~1 --sort time --limit 5",
            "sbtrace show --histogram read",
            "sbtrace show --tree",
        ),
    )(show)


def show(
    run: OneRun = "last",
    by: Annotated[By | None, typer.Option(help="Show a table with one row for each.")] = None,
    sort: Annotated[
        Sort | None, typer.Option(help="What to sort by, most first; default: calls.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N rows.")] = None,
    histogram: Annotated[
        str | None,
        typer.Option(metavar="SYSCALL", help="Show the latencies of one syscall as bars."),
    ] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Show the processes as a tree.")] = False,
    wide: Annotated[
        bool, typer.Option("--wide", "-w", help="Show whole commands, not cut to the terminal.")
    ] = False,
    json: Json = False,
    db: Database = None,
) -> None:
    """Show a recorded run: its summary, or one of its tables, its tree or a histogram."""
    from tracer.cli import output as out
    from tracer.report.view import View

    view = View(by, sort, limit, histogram, tree)
    view.check()
    out.report(view.of(out.recorded(db, run)), json=json, wide=wide)
