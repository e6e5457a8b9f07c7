"""``sbtrace trend``: the figures of a command over its history."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OnlyProfile, OnlySince, OnlyTags


def register(app: typer.Typer) -> None:
    """Add ``trend`` to ``app``."""
    app.command(
        short_help="Show a command's figures over its history, and where they changed.",
        epilog=examples(
            "sbtrace trend nginx",
            "sbtrace trend 'make test' --tag branch=main --since 30d",
            "sbtrace trend nginx --syscall openat --json",
        ),
    )(trend)


def trend(
    command: Annotated[
        str, typer.Argument(metavar="COMMAND", help="Text that the command line holds.")
    ],
    syscall: Annotated[
        str | None,
        typer.Option(metavar="SYSCALL", help="Show the figures of this syscall instead."),
    ] = None,
    profile: OnlyProfile = None,
    tag: OnlyTags = None,
    since: OnlySince = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, metavar="N", help="Only the newest N runs."),
    ] = None,
    json: Json = False,
    db: Database = None,
) -> None:
    """Show a command's figures over its history, and where one of them changed.

    A change is more than noise. It comes with what differed there: executable, profile, kernel,
    version of sbtrace, tags.
    """
    from tracer.analysis.trend import trends
    from tracer.cli import output as out
    from tracer.query import history
    from tracer.query.runs import Filter, parse_since, parse_tags
    from tracer.report.trend import TrendReport

    instant = parse_since(since) if since is not None else None
    wanted = Filter(
        profile=profile, command=command, tags=parse_tags(tag or []), since=instant, limit=limit
    )
    with out.interruptible():
        loaded = history.load(out.database(db), wanted, syscall)
        out.say_waiting(loaded.waiting)
        out.report(TrendReport(trends(loaded), syscall), json=json)
