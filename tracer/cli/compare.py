"""``sbtrace compare``: what differs between two sides of recorded runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json
from tracer.errors import EXIT_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.analysis.demands import Judged

_SIDE = (
    "A run (its id, last, last~1), several with commas between, or selectors that all hold:"
    " command:TEXT, tag:K=V, profile:NAME, since:WHEN, last:N; last:5~5 leaves out the newest 5."
)


def register(app: typer.Typer) -> None:
    """Add ``compare`` to ``app``."""
    app.command(
        short_help="Say what differs between two sides of recorded runs.",
        epilog=examples(
            "sbtrace compare last~1 last",
            "sbtrace compare tag:build=41 tag:build=42 --fail-on new-syscall,calls+10%",
            "sbtrace compare command:nginx,last:5~5 command:nginx,last:5 --histogram openat",
        ),
    )(compare)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same; what is new is new in B.")],
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIST",
            help="Exit 1 if it holds: new-syscall, new-error, new-blocked, calls+10%, wall+10%,"
            " openat.calls+10%, openat.latency+20%; commas between, repeatable.",
        ),
    ] = None,
    histogram: Annotated[
        str | None,
        typer.Option(metavar="SYSCALL", help="Show the latencies of one syscall as bars."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show the calls that do not differ, too.")
    ] = False,
    json: Json = False,
    db: Database = None,
) -> None:
    """Say what differs between two sides of recorded runs, and whether it is more than noise.

    Give five runs a side, so that noise can be told. Two are enough for counts that never vary.

    Exit status: 0; 1 if a demand of --fail-on is broken, 125 if one cannot be judged.
    """
    from tracer.analysis import demands
    from tracer.analysis.compare import compare as compared
    from tracer.cli import output as out
    from tracer.query import sides
    from tracer.report.comparison import ComparisonReport
    from tracer.report.latencies import Latencies

    wanted = demands.parse(fail_on or [])
    with out.interruptible():
        loaded = sides.load(out.database(db), a, b)
        out.say_waiting(loaded.waiting)
        found = compared(loaded.a, loaded.b)
        judged = demands.judge(found, wanted)
        bars = None if histogram is None else Latencies.of(found, histogram)
        out.report(bars or ComparisonReport(found, judged), json=json, whole=everything)
    raise typer.Exit(_status(judged))


def _status(judged: Sequence[Judged]) -> int:
    if any(each.passed is False for each in judged):
        return 1
    return EXIT_FAILED if any(each.passed is None for each in judged) else 0
