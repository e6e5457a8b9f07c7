"""``sbtrace profile learn``: the tightest profile that covers recorded runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracer.cli.examples import examples
from tracer.cli.options import Database, Json, OfCommand, Runs, Since, WithTags
from tracer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.profile import Profile

_DEFAULT = "errno:EPERM"


def register(commands: typer.Typer) -> None:
    """Add ``learn`` to the commands of ``profile``."""
    commands.command(
        short_help="Write the tightest profile that covers recorded runs.",
        epilog=examples(
            "sbtrace profile learn last last~1 -o own.toml",
            "sbtrace profile learn --command nginx --since 30d --explain",
            "sbtrace profile learn --update own.toml --since 1h",
            "sbtrace profile learn --tag phases=yes --after accept -o serving.toml",
        ),
    )(learn)


def learn(
    run: Runs = None,
    command: OfCommand = None,
    tag: WithTags = None,
    since: Since = None,
    default: Annotated[
        str | None,
        typer.Option(
            metavar="ACTION",
            help="What every other call gets, as kill_process; default: errno:EPERM.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of the profile; default: that of the command."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CALL,…",
            help="Learn only what is needed from the first accept, poll or CALL on.",
        ),
    ] = None,
    only_seen: Annotated[
        bool, typer.Option("--only-seen", help="Add nothing that no run shows.")
    ] = False,
    update: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Add to this profile what it lacks, and no more."),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="Tell arguments apart by every bit, not only by the dangerous ones."
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what stood in the way of a tighter profile.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file, not to stdout."),
    ] = None,
    json: Json = False,
    db: Database = None,
) -> None:
    """Write the tightest profile that covers recorded runs; by default, that of the last one.

    Each entry says in how many runs it was needed and by which program. How much the runs cover
    is said on stderr. Exit status: 0; 125 if there is nothing to learn from.
    """
    from tracer import profile as profiles
    from tracer.cli import output as out
    from tracer.profile.learn import Tightness
    from tracer.query import observed, phases, select
    from tracer.report import form, learned

    _require_alone(update, {"--default": default, "--name": name})
    tightness, file = (
        Tightness(only_seen, exact, after is not None),
        None if update is None else profiles.load(update),
    )
    path = out.database(db)
    place = out.destination(output or _of_ones_own(file), path)
    meant, marks = select.runs(run or [], command, tag or [], since), phases.words(after)
    with out.interruptible():
        split = phases.phases(path, *meant, marks) if marks else None
        found = split.observed if split else observed.observe(path, *meant)
    if file is None:
        made = learned.profile(found, default or _DEFAULT, name, tightness, split)
    else:
        made = learned.update(found, file, tightness, split)
    out.say_waiting(found.waiting)
    out.deliver(form.given(made, form.PLAIN, as_data=True) if json else made.file, place)
    sys.stderr.write(made.text(form.Page(out.width(), whole=explain)))


def _require_alone(update: str | None, others: Mapping[str, str | None]) -> None:
    """Raises UsageError for an option that a profile which is there already leaves no room for."""
    for option, value in others.items():
        if update is not None and value is not None:
            raise UsageError(
                f"{option} does not go with --update: {update} keeps its own; change it there, or"
                " leave --update away"
            )


def _of_ones_own(file: Profile | None) -> Path | None:
    """Where to write a profile that is updated. Raises UsageError for a shipped one."""
    from tracer.resources import profiles_dir

    if file is not None and Path(file.path).parent == profiles_dir():
        raise UsageError(f"--update {file.name}: it is shipped, and stays as it is: give -o FILE")
    return Path(file.path) if file else None
