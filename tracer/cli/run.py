"""``sbtrace run``: start a command under a profile, and record what it does."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracer.errors import InexactRun, UsageError


class Trace(StrEnum):
    """Whether eBPF is used."""

    AUTO = "auto"
    FULL = "full"
    NONE = "none"


EPILOG = """Examples:

  sbtrace run --profile=STRICT -- ls -l

  sbtrace run --json -o run.json --tag build=42 make -j2

  sbtrace run --timeout 60 --user nobody ./program
"""


def register(app: typer.Typer) -> None:
    """Add ``run`` to ``app``. Options behind the command are the command's own."""
    app.command(context_settings={"allow_interspersed_args": False}, epilog=EPILOG)(run)


def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="CMD [ARG]...", help="What to run.")],
    profile: Annotated[
        str,
        typer.Option("--profile", "-p", metavar="NAME|FILE", help="The policy to run it under."),
    ] = "LEARNING",
    db: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to record it (or SBTRACE_DB).")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="NAME|UID", help="Run it as this user; under sudo: as you."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="End the whole target after this long.")
    ] = None,
    interval: Annotated[int, typer.Option(metavar="MS", help="Between samples of /proc.")] = 100,
    trace: Annotated[
        Trace, typer.Option(help="eBPF: if possible, or not without, or not at all.")
    ] = Trace.AUTO,
    json: Annotated[
        bool, typer.Option("--json", help="Give the summary as a JSON object.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Summary there, not stderr."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No summary.")] = False,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Note on the run; repeatable.")
    ] = None,
    require_exact: Annotated[
        bool, typer.Option("--require-exact", help="Exit with 125 if anything was not counted.")
    ] = False,
) -> None:
    """Run a command under a seccomp profile and record every syscall it makes.

    The command keeps stdin and stdout; the summary goes to stderr. The exit status is the
    command's own.
    """
    from tracer.session.guard import enter, leave
    from tracer.store import deputy

    guard = enter(deputy.serve)  # first of all: DuckDB gets ready beside what follows
    from tracer.report.delivery import Delivery
    from tracer.report.live import LiveLine
    from tracer.session import request as requests
    from tracer.session.run import run as run_session

    request = requests.Request(
        tuple(command),
        profile,
        db,
        user,
        timeout,
        interval,
        trace.value,
        _tags(tag or []),
        context.obj,
    )
    plan = requests.plan(request)
    delivery = Delivery.open(output, as_json=json, quiet=quiet)
    finished = run_session(plan, LiveLine(sys.stderr, quiet=quiet), guard)
    delivery.write(finished.record)  # while the run goes into the database
    delivery.tell(finished.settle())
    if require_exact and not finished.record.run.exact:
        raise InexactRun(finished.record.run.run_id)
    leave(finished.exit_status)


def _tags(given: list[str]) -> dict[str, str]:
    tags = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--tag {word!r}: give KEY=VALUE")
        tags[key] = value
    return tags
