"""``sbtrace doctor``: what this machine offers, and a remedy for each thing missing."""

from __future__ import annotations

import typer

from tracer.cli.options import Database, Json


def register(app: typer.Typer) -> None:
    """Add ``doctor`` to ``app``."""
    app.command()(doctor)


def doctor(
    json: Json = False,
    db: Database = None,
) -> None:
    """Say what this machine offers. Exit status 1 if `run` would not give full figures."""
    from tracer.cli import output as out
    from tracer.host import probe
    from tracer.report.doctor import DoctorReport
    from tracer.session.trial import count_on_trial, unprotected_on_trial
    from tracer.store import location

    database = location.resolve(db)
    found = probe(database, location.check_writable, count_on_trial, unprotected_on_trial)
    out.report(DoctorReport(found), json=json)
    raise typer.Exit(0 if found.full_figures else 1)
