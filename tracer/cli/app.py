"""The command line: puts the verbs together, and turns every known error into one line."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

import tracer
from tracer.cli import failure
from tracer.errors import EXIT_FAILED, EXIT_SIGNAL_BASE, EXIT_USAGE, SbtraceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.session.processes.front import Front

VERBS = (
    "run",
    "show",
    "why",
    "runs",
    "compare",
    "trend",
    "risk",
    "query",
    "profile",
    "filter",
    "check",
    "db",
    "doctor",
)

_OF_STDOUT = frozenset(
    {errno.EPIPE, errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
)
"""What writing fails with; every other file has a name, and a message of its own."""

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


class Invocation(NamedTuple):
    """How sbtrace was started; ``obj`` of Typer's context."""

    closed: tuple[int, ...]
    """Standard descriptors that were closed."""
    front: Front | None
    """The process in front of the run, where the verb is one that runs a command."""


def main(words: Sequence[str], start: Invocation) -> int:
    """Do what the command line says; return the exit status."""
    with suppress(AttributeError):  # a stream of another kind, or none
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for verb in _verbs(words[:1]):
        import_module(f"tracer.cli.{verb}").register(app)
    try:
        status = app(words, obj=start, prog_name="sbtrace", standalone_mode=False)
        sys.stdout.flush()
    except OSError as error:
        return _stdout_failed(error)
    except SystemExit as end:  # what click makes of a closed pipe, with the status 1
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _stdout_failed(end.__context__)
    except SbtraceError as error:
        failure.say(error)
        return error.exit_status
    except typer.Abort:
        return EXIT_SIGNAL_BASE + signal.SIGINT
    except _WrongCommandLine as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            failure.say(_one_line(error))
        return EXIT_USAGE
    return status if isinstance(status, int) else 0


def _stdout_failed(error: OSError) -> int:
    """The exit status where stdout took no more: 0 if its reader has seen enough (``| head``)."""
    if error.errno not in _OF_STDOUT or error.filename is not None:
        raise error
    # Python flushes stdout once more when it exits: let that go nowhere.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 0
    failure.say(f"stdout: cannot be written: {error.strerror}")
    return EXIT_FAILED


def _verbs(first: Sequence[str]) -> Sequence[str]:
    """Return the verbs that the command line may need; preparing all of them costs 15 ms."""
    return first if first and first[0] in VERBS else VERBS


def _one_line(error: Any) -> str:  # noqa: ANN401 - a click exception; whose click, is Typer's affair
    reason = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if getattr(error, "ctx", None) else "sbtrace"
    return f"{reason}: see {path} --help"
