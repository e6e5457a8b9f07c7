"""The command line: puts the verbs together, and turns every known error into one line."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import typer

import tracer
from tracer.errors import SbtraceError

VERBS = ("run", "show", "why", "runs", "query", "profile", "db", "doctor")

app = typer.Typer(
    name="sbtrace",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: the target's own; 124 timed out, 125 sbtrace failed, 126 not "
    "executable, 127 not found, 128+N ended by signal N, 2 wrong command line.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sbtrace {tracer.__version__}")
        raise typer.Exit


@app.callback()
def sbtrace(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Run a command under a seccomp profile, and know exactly what it asks of the kernel.

    Example:  sudo sbtrace run --profile=STRICT -- ls -l
    """


def open_standard_descriptors() -> tuple[int, ...]:
    """Fill a closed descriptor 0, 1 or 2 with /dev/null; return which ones were closed.

    Otherwise the next file opened here would take its number, and be the target's stdin.
    """
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            os.open(os.devnull, os.O_RDWR)
    return tuple(closed)


def main() -> None:
    """Run the command line; the console script's entry point."""
    closed = open_standard_descriptors()
    for verb in VERBS:
        if not __import__("importlib.util").util.find_spec(f"tracer.cli.{verb}"):
            continue  # TEMPORARY
        import_module(f"tracer.cli.{verb}").register(app)
    try:
        app(obj=closed)
    except SbtraceError as error:
        print(f"sbtrace: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
