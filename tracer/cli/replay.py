"""``sbtrace profile replay``: a profile against runs that were recorded."""

from __future__ import annotations

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OfCommand, ProfileFile, Runs, Since, WithTags


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
    profile: ProfileFile,
    run: Runs = None,
    command: OfCommand = None,
    tag: WithTags = None,
    since: Since = None,
    json: Json = False,
    db: Database = None,
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
