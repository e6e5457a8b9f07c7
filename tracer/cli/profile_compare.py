"""``sbtrace profile diff``: what two of them let through otherwise."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from tracer.cli.examples import examples

_WHAT = "A profile's name or file, a group (@file-system), or a pid."


def register(commands: typer.Typer) -> None:
    """Add ``diff`` to ``profile``."""
    commands.command(
        short_help="Say what two profiles, groups or processes answer otherwise.",
        epilog=examples(
            "sbtrace profile diff STRICT RESOURCE-AWARE",
            "sbtrace profile diff ./own.toml @system-service",
        ),
    )(diff)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    everything: Annotated[bool, typer.Option("--all", help="Every value of an argument.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say what A and B do otherwise with a call; exit 0 if nothing, 1 if something.

    What counts is what their filters do, not how they are written.
    """
    from tracer.report import as_json, difference
    from tracer.sandbox import sources

    found = difference.sides(sources.source(a), sources.source(b))
    if json:
        typer.echo(as_json.dumps(difference.to_object(found)), nl=False)
    else:
        width = shutil.get_terminal_size().columns
        typer.echo(difference.render(found, width, whole=everything), nl=False)
    raise typer.Exit(0 if found.are_alike else 1)
