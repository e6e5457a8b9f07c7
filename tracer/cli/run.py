"""``sbtrace run``: start a command under a profile, and record what it does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.main import split
from tracer.cli.options import Capabilities, IntoDatabase, Timeout, User
from tracer.cli.order import Order
from tracer.errors import UsageError


class Trace(StrEnum):
    """Whether eBPF is used."""

    AUTO = "auto"
    FULL = "full"
    NONE = "none"


class Daemons(StrEnum):
    """What becomes of processes that outlive the command."""

    WAIT = "wait"
    END = "end"


EPILOG = examples(
    "sbtrace run --profile=STRICT -- ls -l",
    "sbtrace run --json -o run.json --tag build=42 make -j2",
    "sbtrace run --timeout 60 --user nobody ./program",
)


def register(app: typer.Typer) -> None:
    """Add ``run`` to ``app``. Options behind the command are the command's own."""
    app.command(
        context_settings={"allow_interspersed_args": False},
        short_help="Run a command under a profile and record its syscalls.",
        epilog=EPILOG,
    )(run)


def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="CMD [ARG]...", help="What to run.")],
    profile: Annotated[
        str,
        typer.Option("--profile", "-p", metavar="NAME|FILE", help="The profile to run it under."),
    ] = "LEARNING",
    db: IntoDatabase = None,
    user: User = None,
    cap: Capabilities = None,
    timeout: Timeout = None,
    daemons: Annotated[
        Daemons,
        typer.Option(help="After the command: wait for processes that it left, or end them."),
    ] = Daemons.WAIT,
    interval: Annotated[
        int, typer.Option(metavar="MS", help="Time between samples of /proc.")
    ] = 100,
    trace: Annotated[
        Trace,
        typer.Option(help="auto: use eBPF if it works; full: fail without it; none: never use it."),
    ] = Trace.AUTO,
    json: Annotated[bool, typer.Option("--json", help="Write the summary as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the summary to this file, not to stderr; - is stdout.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write no summary.")] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Put a tag on the run; repeatable."),
    ] = None,
    require_exact: Annotated[
        bool, typer.Option("--require-exact", help="Exit with 125 if anything was not counted.")
    ] = False,
) -> None:
    """Run a command under a seccomp profile and record every syscall it makes.

    The command keeps stdin and stdout; the summary goes to stderr. The exit status is the
    command's own. Signals are passed on to it; a second SIGTERM kills it and all that descends
    from it, also if it ignores the first. When it has ended, a signal (Ctrl-C, SIGTERM, SIGHUP,
    SIGQUIT) ends what it left behind: it is asked first and killed after 2 seconds, or at a
    second signal. The exit status is then 128 and the signal's number.
    """
    order = Order(
        {
            "command": tuple(command),
            "profile": profile,
            "database": db,
            "user": user,
            "capabilities": tuple(cap) if cap else None,
            "timeout_s": timeout,
            "interval_ms": interval,
            "trace": trace.value,
            "tags": _tags(tag or []),
            "daemons": daemons.value,
            "closed": context.obj.closed,
        },
        None if output is None else str(output),
        json,
        quiet,
        require_exact,
    )
    front = context.obj.front or split()
    front.hand_over(order.dump())


def _tags(given: list[str]) -> dict[str, str]:
    tags = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--tag {word!r}: give KEY=VALUE")
        tags[key] = value
    return tags
