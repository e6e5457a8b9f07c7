"""``sbtrace profile export`` and ``import``: profiles in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import ProfileFile
from tracer.profile.formats import NAMES, READ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.formats import Imported

_WRITTEN, _READ = ", ".join(NAMES), ", ".join(READ)
_Lossy = Annotated[
    bool,
    typer.Option("--lossy", help="Go on where the format cannot say something, and name that."),
]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file, not to stdout."),
]


def register(commands: typer.Typer) -> None:
    """Add ``export`` and ``import`` to the commands of ``profile``."""
    commands.command(
        short_help="Write a profile in the format of another program.",
        epilog=examples(
            "sbtrace profile export STRICT --format oci --lossy -o strict.json",
        ),
    )(export)
    commands.command(
        "import",
        short_help="Make a profile of a file of another program.",
        epilog=examples(
            "sbtrace profile import docker.json --cap docker -o docker.toml",
            "sbtrace profile import --pid 4711 -o in-force.toml",
        ),
    )(import_)


def export(
    profile: ProfileFile,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"One of: {_WRITTEN}.")
    ],
    output: _Output = None,
    lossy: _Lossy = False,
) -> None:
    """Write a profile as Docker, systemd and others read it.

    What the format cannot say is listed on stderr. Exit status: 0; 125 if something cannot be said.
    Nothing is written then, unless --lossy is given.
    """
    from tracer.profile import formats, load
    from tracer.sandbox import filter as filters

    found = load(profile)
    made = formats.export(found, format_, filters.compile)
    _say(made.notes, made.losses, f"{profile} as {format_}", lossy=lossy)
    _write(made.data, output)


def import_(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="The file; - for stdin.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help=f"One of: {_READ}; else found out."),
    ] = None,
    pid: Annotated[
        int | None,
        typer.Option(metavar="PID", min=1, help="Import the filters of a running process."),
    ] = None,
    cap: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,…|docker", help="Read Docker's profile for these capabilities."),
    ] = None,
    output: _Output = None,
    lossy: _Lossy = False,
) -> None:
    """Make a profile of what Docker, systemd and others read.

    What a profile cannot say is listed on stderr. Exit status: 0; 125 if something cannot be said.
    Nothing is written then, unless --lossy is given.
    """
    from tracer.errors import UsageError

    if (file is None) == (pid is None):
        raise UsageError("profile import: give a FILE, or --pid PID")
    if pid is not None and (format_ or cap):
        raise UsageError(
            f"profile import: {'--format' if format_ else '--cap'} is for a FILE; leave it out with"
            " --pid"
        )
    made = _of_process(pid) if pid else _of_file(file or "", format_, cap or [])
    _say(made.notes, made.losses, f"{file or f'process {pid}'} as a profile", lossy=lossy)
    _write(made.text.encode(), output)


def _of_file(file: str, format_: str | None, cap: list[str]) -> Imported:
    from tracer.profile import formats
    from tracer.profile.formats.context import context
    from tracer.profile.locate import read_bytes

    return formats.import_(read_bytes(file), context(file, tuple(cap)), format_)


def _of_process(pid: int) -> Imported:
    from tracer.errors import FilterError
    from tracer.profile import formats
    from tracer.profile.formats.context import context
    from tracer.sandbox import in_force

    found = in_force.read(pid)
    if not found.filters:
        why = "in strict mode" if found.mode == "strict" else "without a seccomp filter"
        raise FilterError(f"process {pid} is {why}: there is nothing to make a profile of")
    name = found.comm or f"process-{pid}"
    return formats.from_filters(found.filters, context(name, ()), exec_once=found.exec_once)


def _say(notes: Sequence[str], losses: Sequence[str], what: str, *, lossy: bool) -> None:
    """Notes and losses on stderr. Raises ProfileError where losses are not accepted."""
    from tracer.cli.failure import say
    from tracer.errors import ProfileError

    for note in notes:
        say(f"note: {note}")
    for loss in losses:
        say(f"{'lost' if lossy else 'would be lost'}: {loss}")
    if losses and not lossy:
        things = "1 thing" if len(losses) == 1 else f"{len(losses)} things"
        raise ProfileError(f"{what}: {things} would be lost; --lossy goes on without")


def _write(data: bytes, output: Path | None) -> None:
    from tracer.cli.output import destination

    place = destination(output, None)
    if place is None:
        typer.get_binary_stream("stdout").write(data)
        return
    with place.writing() as file:
        file.write(data)
