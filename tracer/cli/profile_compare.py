"""``sbtrace profile diff`` and ``score``: what they let through, beside each other."""

from __future__ import annotations

from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Json

_WHAT = "A profile's name or file, Docker's JSON, a group (@file-system), or a pid."


def register(commands: typer.Typer) -> None:
    """Add ``diff`` and ``score`` to ``profile``."""
    commands.command(
        short_help="Say what two profiles, groups or processes answer otherwise.",
        epilog=examples(
            "sbtrace profile diff STRICT RESOURCE-AWARE",
            "sbtrace profile diff ./own.toml @system-service",
        ),
    )(diff)
    commands.command(
        short_help="Say what profiles leave open, class by class.",
        epilog=examples("sbtrace profile score STRICT RESOURCE-AWARE @system-service"),
    )(score)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_WHAT)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Show every value of an argument.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what A and B do otherwise with a call.

    What counts is what their filters do, not how they are written. Exit status: 0 if they do the
    same, 1 if not, 125 if one of them cannot be read.
    """
    from tracer.cli import output as out
    from tracer.report import difference
    from tracer.sandbox import sources

    found = difference.sides(sources.source(a), sources.source(b))
    out.report(found, json=json, whole=everything)
    raise typer.Exit(0 if found.are_alike else 1)


def score(
    profiles: Annotated[list[str], typer.Argument(metavar="PROFILE...", help=_WHAT)],
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Say also what each class is, who says so, and which CVEs are open."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Say what profiles leave open of the kernel: modules, mounts, ptrace and so on.

    There is no mark: each class names its calls, and each number what it counts. Exit status: 0;
    125 if one of them cannot be read.
    """
    from tracer.cli import output as out
    from tracer.host import systemd
    from tracer.profile.score import score as scored
    from tracer.report.score import Scored, ScoreReport
    from tracer.sandbox import sources

    found = []
    for source in map(sources.source, profiles):
        result = scored(source.filters)
        weights = systemd.weights((*result.calls.open, *result.calls.partly))
        found.append(Scored(source.label, result, weights))
    out.report(ScoreReport(found), json=json, whole=everything)
