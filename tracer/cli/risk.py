"""``sbtrace risk``: what matters for security in recorded runs, or in a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OfCommand, Runs, Since, WithTags
from tracer.errors import UsageError

if TYPE_CHECKING:
    from tracer.report.risk import OpenReport


def register(app: typer.Typer) -> None:
    """Add ``risk`` to ``app``."""
    app.command(
        short_help="Say what runs did, or a profile lets through, that matters for security.",
        epilog=examples(
            "sbtrace risk",
            "sbtrace risk --command nginx --since 30d",
            "sbtrace risk --profile STRICT",
        ),
    )(risk)


def risk(
    run: Runs = None,
    command: OfCommand = None,
    tag: WithTags = None,
    since: Since = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE", help="Look at a profile, a group (@file-system) or a pid instead."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all evidence, and what each class is.")
    ] = False,
    json: Json = False,
    db: Database = None,
) -> None:
    """Say which classes of activity runs show, such as mounts or raw sockets, with the evidence.

    By default, those of the last run. There is no mark: a class is found, with the calls that show
    it and what would take it away, or it is not. What the last run did for the first time is said,
    too. Exit status: 0, whatever is found.
    """
    from tracer.cli import output as out

    if profile is not None:
        if run or command or tag or since:
            raise UsageError("risk: --profile looks at no run: leave the runs out")
        return out.report(_of_profile(profile), json=json, whole=everything)
    from tracer.analysis import risk as analysis
    from tracer.query import activity, select
    from tracer.report.risk import RiskReport

    meant = select.runs(run or [], command, tag or [], since)
    with out.interruptible():
        acted, new = activity.load(out.database(db), *meant, analysis.names())
        out.say_waiting(acted.waiting)
        out.report(RiskReport(acted, analysis.find(acted), new), json=json, whole=everything)
    return None


def _of_profile(name: str) -> OpenReport:
    from tracer.analysis.risk import leave_open
    from tracer.report.risk import OpenReport
    from tracer.sandbox import sources

    found = sources.source(name)
    return OpenReport(found.label, leave_open(found.filters))
