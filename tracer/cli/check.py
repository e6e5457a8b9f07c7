"""``sbtrace check``: whether a command asks no more of the kernel than was accepted."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.main import split
from tracer.cli.options import Capabilities, IntoDatabase, Timeout, User
from tracer.cli.order import Asked, Order
from tracer.cli.run import Daemons
from tracer.errors import UsageError


class FindingFormat(StrEnum):
    """How the finding is written."""

    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"
    TEXT = "text"


def register(app: typer.Typer) -> None:
    """Add ``check`` to ``app``. Options behind the command are the command's own."""
    app.command(
        context_settings={"allow_interspersed_args": False},
        short_help="Run a command, and fail if it asks for more than was accepted.",
        epilog=examples(
            "sbtrace check --baseline surface.toml --update -- make test",
            "sbtrace check --baseline surface.toml -- make test",
            "sbtrace check --baseline s.toml --format junit -o report.xml -- ./program",
        ),
    )(check)


def check(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="CMD [ARG]...", help="What to run.")],
    baseline: Annotated[
        str, typer.Option(metavar="FILE", help="The file that says what was accepted.")
    ],
    update: Annotated[
        bool, typer.Option("--update", help="Accept what it asks for: write the baseline.")
    ] = False,
    profile: Annotated[
        str,
        typer.Option("--profile", "-p", metavar="NAME|FILE", help="The profile to run it under."),
    ] = "LEARNING",
    style: Annotated[
        FindingFormat | None,
        typer.Option(
            "--format", help="The format: for a person (text), a program or a build server."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file, not to stderr; - is stdout."
        ),
    ] = None,
    db: IntoDatabase = None,
    user: User = None,
    cap: Capabilities = None,
    timeout: Timeout = None,
    daemons: Annotated[
        Daemons, typer.Option(help="Wait for processes that the command left, or end them.")
    ] = Daemons.WAIT,
) -> None:
    """Run a command, and fail if it makes or is blocked in a call that its baseline does not have.

    Exit status: 1 if it does, 125 if that cannot be told, else the command's own. What was found
    beyond the baseline is kept beside it (FILE.grown), so that a second try does not pass.
    """
    if json and style not in {None, FindingFormat.JSON}:
        raise UsageError(f"--json does not go with --format {style}: give one of them")
    chosen = FindingFormat.JSON if json else style or FindingFormat.TEXT
    request: Asked = {
        "command": tuple(command),
        "profile": profile,
        "database": db,
        "user": user,
        "capabilities": tuple(cap) if cap else None,
        "timeout_s": timeout,
        "trace": "full",
        "daemons": daemons.value,
        "closed": context.obj.closed,
    }
    place = None if output is None else str(output)
    baselined = (baseline, chosen.value, update)
    order = Order(request, place, json, quiet=False, require_exact=False, check=baselined)
    (context.obj.front or split()).hand_over(order.dump())
