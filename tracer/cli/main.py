"""The command line: puts the verbs together, and turns every known error into one line."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import typer

import tracer
from tracer.errors import EXIT_SIGNAL_BASE, EXIT_USAGE, SbtraceError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = ("run", "show", "why", "runs", "query", "profile", "db", "doctor")

# Typer brings its own copy of click from some version on, and names only the subclasses.
_WrongCommandLine: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

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
    for verb in _verbs(sys.argv[1:2]):
        import_module(f"tracer.cli.{verb}").register(app)
    try:
        status = app(obj=closed, standalone_mode=False)
    except SbtraceError as error:
        _fail(str(error), error.exit_status)
    except typer.Abort:
        sys.exit(EXIT_SIGNAL_BASE + signal.SIGINT)
    except _WrongCommandLine as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            sys.exit(EXIT_USAGE)
        _fail(_one_line(error), EXIT_USAGE)
    sys.exit(status if isinstance(status, int) else 0)


def _verbs(first: Sequence[str]) -> Sequence[str]:
    """Return the verbs that the command line may need; preparing all of them costs 15 ms."""
    return first if first and first[0] in VERBS else VERBS


def _one_line(error: Any) -> str:  # noqa: ANN401 - a click exception; whose click, is Typer's affair
    reason = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if getattr(error, "ctx", None) else "sbtrace"
    return f"{reason}: see {path} --help"


def _fail(message: str, status: int) -> NoReturn:
    """Say on stderr, in one line that a terminal obeys nothing of, why nothing was done."""
    from tracer.report.text import printable

    with suppress(OSError, ValueError):  # stderr may be closed
        print(f"sbtrace: {printable(message)}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
