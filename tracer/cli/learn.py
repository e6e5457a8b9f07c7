"""``sbtrace profile learn``: the tightest profile that covers recorded runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tracer.cli.examples import examples


def register(commands: typer.Typer) -> None:
    """Add ``learn`` to the commands of ``profile``."""
    commands.command(
        short_help="Write the tightest profile that covers recorded runs.",
        epilog=examples(
            "sbtrace profile learn last last~1 -o own.toml",
            "sbtrace profile learn --command nginx --since 30d --explain",
        ),
    )(learn)


def learn(
    run: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Ids, beginnings of them, last, last~1."),
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="And all runs whose command line holds this text."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="And all with this tag; repeatable.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Of those, only since: 2h, 30d, 2026-01-31.")
    ] = None,
    default: Annotated[
        str, typer.Option(metavar="ACTION", help="For every other call, such as kill_process.")
    ] = "errno:EPERM",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the profile; else after the command.")
    ] = None,
    only_seen: Annotated[
        bool, typer.Option("--only-seen", help="Add nothing that no run shows.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="By every bit of an argument, not the dangerous alone.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what stood in the way of a tighter one.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="There, not to stdout.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    db: Annotated[
        str | None, typer.Option("--db", metavar="FILE", help="Another database (or SBTRACE_DB).")
    ] = None,
) -> None:
    """Write the tightest profile that covers recorded runs; without any, that of the last one.

    Each entry says in how many runs it was needed and by which program. How much the runs cover
    is said on stderr.
    """
    from tracer.cli import output as out
    from tracer.profile.learn import Wish
    from tracer.query import observed, select
    from tracer.report import learned

    path = out.database(db)
    place = out.destination(output, path)
    with out.interruptible():
        found = observed.observe(path, *select.runs(run or [], command, tag or [], since))
    made = learned.profile(found, default, name, Wish(only_seen, exact))
    out.say_waiting(found.waiting)
    out.deliver(made.json() if json else made.text, place)
    sys.stderr.write(made.coverage(out.width(), explain=explain))
