"""``sbtrace why``: what a profile blocked in a run, from where, and which line allows it."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OneRun


def register(app: typer.Typer) -> None:
    """Add ``why`` to ``app``."""
    app.command(
        short_help="Say what the filter blocked, from where, and what allows it.",
        epilog=examples("sbtrace why", "sbtrace why last~1 --all", "sbtrace why --toml > own.toml"),
    )(why)


def why(
    run: OneRun = "last",
    everything: Annotated[
        bool, typer.Option("--all", help="Show arguments and stack of every distinct call.")
    ] = False,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print only the profile that would allow it all.")
    ] = False,
    json: Json = False,
    db: Database = None,
) -> None:
    """Say what the filter blocked in a run, who called it from where, and what would allow it."""
    from tracer.cli import output as out
    from tracer.errors import UsageError
    from tracer.report import remedies
    from tracer.report.why import Why

    if toml and json:
        raise UsageError("--toml and --json: only one of them can go to stdout")
    record = out.recorded(db, run)
    if toml:
        own = remedies.required(remedies.own_profile(record), record.run)
        return out.deliver(own.text, None)
    return out.report(Why.of(record), json=json, whole=everything)
