"""``sbtrace runs``: which runs are recorded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OnlyProfile, OnlySince, OnlyTags


class Outcome(StrEnum):
    """How a recorded run ended, if it did."""

    RUNNING = "running"
    EXITED = "exited"
    SIGNALED = "signaled"
    BLOCKED = "blocked"
    TIMED_OUT = "timed_out"
    INTERRUPTED = "interrupted"


def register(app: typer.Typer) -> None:
    """Add ``runs`` to ``app``."""
    app.command(
        epilog=examples(
            "sbtrace runs --since 2h --outcome blocked",
            "sbtrace runs --command nginx --tag build=42 --limit 5",
        )
    )(runs)


def runs(
    profile: OnlyProfile = None,
    outcome: Annotated[
        Outcome | None,
        typer.Option(help="Only runs that ended so."),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only runs whose command line holds this text."),
    ] = None,
    tag: OnlyTags = None,
    since: OnlySince = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="N", help="At most N runs.")
    ] = 20,
    wide: Annotated[
        bool, typer.Option("--wide", "-w", help="Show whole commands, not cut to the terminal.")
    ] = False,
    json_: Json = False,
    db: Database = None,
) -> None:
    """List the recorded runs and those that go on, newest first."""
    from tracer.cli import output as out
    from tracer.query import runs as listing
    from tracer.report.run_list import RunList

    instant = listing.parse_since(since) if since is not None else None
    tags = listing.parse_tags(tag or [])
    wanted = listing.Filter(profile, outcome, command, tags, instant, limit)
    with out.interruptible():
        found = listing.list_runs(out.database(db), wanted)
        out.say_waiting(found.waiting)
        out.report(RunList(found.rows), json=json_, wide=wide)
