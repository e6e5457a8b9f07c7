"""Options and arguments that several verbs have: one meaning, one name, one sentence of help."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]

# What is recorded, and who reads it.
Database = Annotated[
    str | None, typer.Option("--db", metavar="FILE", help="Use this database (or SBTRACE_DB).")
]
OneRun = Annotated[
    str,
    typer.Argument(metavar="[RUN]", help="The id of a run, its beginning, last, or last~1."),
]
Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN]...", help="Ids of runs, their beginnings, last, last~1."),
]
OfCommand = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Add all runs whose command line holds this text."),
]
WithTags = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Add all runs with this tag; repeatable."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Take only runs since then: 2h, 30d, 2026-01-31."),
]
OnlyProfile = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only runs under this profile.")
]
OnlyTags = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only runs with this tag; repeatable.")
]
OnlySince = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only runs since then: 2h, 30d, 2026-01-31.")
]

# A command that is run.
IntoDatabase = Annotated[
    str | None, typer.Option(metavar="FILE", help="Record it in this database (or SBTRACE_DB).")
]
User = Annotated[
    str | None,
    typer.Option(metavar="NAME|UID", help="Run it as this user; default under sudo: as you."),
]
Capabilities = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME,…|keep|none", help="Capabilities that it keeps, at most."),
]
Timeout = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="End the whole target after this long.")
]

# Profiles.
ProfileFile = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A profile's name or file.")]
