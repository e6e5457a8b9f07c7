"""``sbtrace profile replay``: a profile against runs that were recorded."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer.cli.examples import examples


def register(commands: typer.Typer) -> None:
    """Add ``replay`` to the commands of ``profile``."""
    commands.command(
        short_help="Say which recorded runs a profile would have refused.",
        epilog=examples(
            "sbtrace profile replay STRICT last",
            "sbtrace profile replay ./own.toml --command nginx --since 30d",
        ),
    )(replay)


def replay(
    profile: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A profile's name or file.")],
    run: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Ids of runs, their beginnings, last, last~1."),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Add all runs whose command line holds this text."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Add all runs with this tag; repeatable."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Take only runs since then: 2h, 30d, 2026-01-31."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
    db: Annotated[
        str | None, typer.Option("--db", metavar="FILE", help="Use this database (or SBTRACE_DB).")
    ] = None,
) -> None:
    """Say which recorded runs a profile would have refused, where, and by which line.

    Nothing is started. Exit status: 0 if none, 1 if one, 125 if it is not known.
    """
    from tracer import profile as profiles
    from tracer.cli import output as out
    from tracer.query import recorded_calls, select
    from tracer.report import replayed
    from tracer.sandbox import filter as filters

    wanted = select.runs(run or [], command, tag or [], since)
    found = profiles.load(profile)
    path = out.database(db)
    with out.interruptible():
        recorded = recorded_calls.recorded(path, *wanted)
    replay = replayed.replayed(found, filters.compile(found).program(), recorded)
    out.report(replay, json=json)
    raise typer.Exit(replay.exit_status)
