"""``sbtrace query``: SQL and saved queries over the recorded runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database
from tracer.errors import UsageError


class ResultFormat(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add ``query`` to ``app``."""
    app.command(
        short_help="Ask the recorded runs a question in SQL.",
        epilog=examples(
            "sbtrace query --list",
            "sbtrace query top-syscalls --param limit=5",
            "sbtrace query errors --param run=last~1 --format csv",
            'sbtrace query "SELECT name, sum(calls) AS calls FROM syscalls GROUP BY name"',
        ),
    )(query)


def query(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[SQL|NAME]", help="SQL, or the name of a saved query.", show_default=False
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="KEY=VALUE", help="The value of $KEY; repeatable."),
    ] = None,
    style: Annotated[
        ResultFormat, typer.Option("--format", "-f", help="The format to write.")
    ] = ResultFormat.TABLE,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file; - is stdout."),
    ] = None,
    db: Database = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop the query after so many seconds.")
    ] = None,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory that the query may use, at most.")
    ] = "1GB",
    list_: Annotated[bool, typer.Option("--list", help="List the saved queries.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Ask the recorded runs a question in SQL, or by the name of a saved query.

    A query only reads. Give the parameters of a query as --param NAME=VALUE; a run is given
    as its id, the beginning of one, last, or last~1. A table of a saved query has the columns
    that fit; every other format has all.
    """
    from tracer.cli import output as out
    from tracer.query import ask

    chosen = ResultFormat.JSON if json_ else style
    if list_:
        return out.saved_queries(chosen.value, output, db)
    if text is None:
        raise UsageError("query: give SQL or the name of a saved query (--list shows them)")
    question = ask.Question(text, ask.parse_params(param or []), timeout, memory)
    return out.answer(out.database(db), question, chosen.value, output)
