"""``sbtrace why``: what a profile blocked in a run, from where, and which line allows it."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add ``why`` to ``app``."""
    app.command()(why)


def why(
    run: Annotated[
        str, typer.Argument(help="Its id, the beginning of one, last, or last~1.")
    ] = "last",
    json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    db: Annotated[
        str | None, typer.Option("--db", metavar="FILE", help="Another database (or SBTRACE_DB).")
    ] = None,
) -> None:
    """Say what the filter blocked in a run, who called it from where, and what would allow it."""
    from tracer.report import as_json, remedies, style
    from tracer.report import why as report
    from tracer.store import location
    from tracer.store.reader import Reader

    with Reader(location.resolve(db)) as reader:
        record = reader.load(run)
    remedy = remedies.of_run(record.run)
    if json:
        return typer.echo(as_json.dumps(report.objects(record, remedy)), nl=False)
    width, colour = shutil.get_terminal_size().columns, style.wants_colour(sys.stdout)
    return typer.echo(report.render(record, width, colour=colour, remedy=remedy), nl=False)
