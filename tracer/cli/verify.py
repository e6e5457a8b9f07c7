"""``sbtrace profile verify``: a command under a profile, and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.main import split
from tracer.cli.options import Capabilities, IntoDatabase, Timeout, User
from tracer.cli.order import Asked, Order
from tracer.cli.run import Daemons
from tracer.errors import UsageError


def register(commands: typer.Typer) -> None:
    """Add what proves profiles to the commands of ``profile``."""
    commands.command(
        context_settings={"allow_interspersed_args": False},
        short_help="Run a command under a profile, and say whether it passes.",
        epilog=examples(
            "sbtrace profile verify ./own.toml -- git status",
            "sbtrace profile verify --json -o verdict.json ./own.toml make test",
        ),
    )(verify)


def verify(
    context: typer.Context,
    profile: Annotated[str, typer.Argument(metavar="NAME|FILE", help="The profile to prove.")],
    command: Annotated[list[str], typer.Argument(metavar="[--] CMD [ARG]...", help="What to run.")],
    db: IntoDatabase = None,
    user: User = None,
    cap: Capabilities = None,
    timeout: Timeout = None,
    daemons: Annotated[
        Daemons, typer.Option(help="Wait for processes that the command left, or end them.")
    ] = Daemons.WAIT,
    json: Annotated[bool, typer.Option("--json", help="Write the verdict as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write the verdict to this file, not to stderr."
        ),
    ] = None,
) -> None:
    """Run a command under a profile, and say whether it passes, with every refused call.

    Exit status: 0 if no call was refused, 1 if one was. If that cannot be told: 128+N where signal
    N ended the command, 124 where it was out of time, else 125. What the command exited with is
    said beside. It keeps stdin and stdout. The run is recorded like any other.
    """
    request: Asked = {
        "command": tuple(_words(command)),
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
    order = Order(request, place, json, quiet=False, require_exact=False, verdict=True)
    (context.obj.front or split()).hand_over(order.dump())


def _words(command: list[str]) -> list[str]:
    """The command without the ``--`` before it, which stands behind the profile."""
    words = command[1:] if command[:1] == ["--"] else command
    if command[:1] != ["--"] and command[0].startswith("-"):
        raise UsageError(f"{command[0]}: options stand before the profile, the command behind it")
    if not words:
        raise UsageError("no command given: sbtrace profile verify PROFILE -- CMD [ARG...]")
    return words
