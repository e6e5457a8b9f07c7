"""``sbtrace db``: look after the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json


def register(app: typer.Typer) -> None:
    """Add ``db`` and its commands to ``app``."""
    group = typer.Typer(no_args_is_help=True, help="Look after the database.")
    for command in (info, vacuum):
        group.command()(command)
    group.command(epilog=examples("sbtrace db prune --older-than 30d --keep 100 --dry-run"))(prune)
    group.command("export", epilog=examples("sbtrace db export ./runs-of-march"))(export)
    group.command(
        "import",
        short_help="Add the runs of an export or of another database.",
        epilog=examples("sbtrace db import ./runs-of-march", "sbtrace db import other.duckdb"),
    )(import_)
    app.add_typer(group, name="db")


def info(
    db: Database = None,
    json_: Json = False,
) -> None:
    """Say where the database is, how large it is, and what it holds."""
    from tracer.cli import output as out
    from tracer.report.upkeep import InfoReport
    from tracer.store import maintain

    out.report(InfoReport(maintain.info(out.database(db))), json=json_)


def vacuum(db: Database = None) -> None:
    """Give back the room that runs taken out have left."""
    from tracer.cli import output as out
    from tracer.report import upkeep
    from tracer.store import maintain

    out.text(upkeep.vacuumed(*maintain.vacuum(out.database(db), out.progress)))


def prune(
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Take out runs older than this: 30d, 12h, 4w.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Keep the N newest runs.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only list the runs that would be taken out.")
    ] = False,
    db: Database = None,
) -> None:
    """Take old runs out of the database, for good."""
    from tracer.cli import output as out
    from tracer.query.runs import parse_age
    from tracer.report import upkeep
    from tracer.store import maintain

    age = parse_age(older_than) if older_than is not None else None
    gone = maintain.prune(out.database(db), age, keep, dry_run=dry_run)
    out.text(upkeep.pruned(gone, out.width(), dry_run=dry_run))


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the files; made if missing.")
    ],
    db: Database = None,
) -> None:
    """Write every table as a Parquet file."""
    from tracer.cli import output as out
    from tracer.store import transfer

    count = transfer.export_to(out.database(db), folder, out.progress)
    out.text(f"{count} run{'' if count == 1 else 's'} exported to {folder}\n")


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder of an export, or another database.")
    ],
    db: Database = None,
) -> None:
    """Add the runs of an export or of another database; known ones are left as they are."""
    from tracer.cli import output as out
    from tracer.store import transfer

    count = transfer.import_from(out.database(db), source, out.progress)
    out.text(f"{count} new run{'' if count == 1 else 's'} imported from {source}\n")
