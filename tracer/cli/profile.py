"""``sbtrace profile``: which profiles there are, what one says, whether one is sound."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from tracer.cli import exchange, learn, profile_compare, replay, verify
from tracer.cli import output as out
from tracer.cli.examples import examples
from tracer.cli.options import Json, ProfileFile

if TYPE_CHECKING:
    from tracer.profile import Profile


def register(app: typer.Typer) -> None:
    """Add ``profile`` with its commands to ``app``."""
    commands = typer.Typer(no_args_is_help=True)
    commands.command("list", epilog=examples("sbtrace profile list"))(list_)
    commands.command(
        epilog=examples("sbtrace profile show STRICT", "sbtrace profile show @file-system")
    )(show)
    commands.command(
        short_help="Say what is wrong with a profile, or worth knowing.",
        epilog=examples("sbtrace profile check ./own.toml"),
    )(check)
    commands.command(
        short_help="Say what a profile does with a call, and by which line.",
        epilog=examples(
            "sbtrace profile explain STRICT socket",
            "sbtrace profile explain STRICT 'prctl(PR_SET_NAME)'",
            "sbtrace profile explain STRICT socket domain=AF_INET type=SOCK_STREAM",
        ),
    )(explain)
    commands.command(
        "test",
        short_help="Try a table of calls on a profile's filter.",
        epilog=examples("sbtrace profile test ./own.toml ./calls.toml"),
    )(try_calls)
    commands.command(
        short_help="Print the JSON Schema of profiles, for editors.",
        epilog=examples("sbtrace profile schema > profile.schema.json"),
    )(schema)
    verify.register(commands)
    learn.register(commands)
    replay.register(commands)
    profile_compare.register(commands)
    exchange.register(commands)
    about = "Read, try, learn, prove, compare and exchange profiles."
    app.add_typer(commands, name="profile", help=about)


def list_(json: Json = False) -> None:
    """List the profiles that can be given by name."""
    from tracer import profile
    from tracer.report.profile import Listing

    out.report(Listing(profile.available()), json=json)


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE", help="A profile's name or file, or a group: @file-system."
        ),
    ],
    expand: Annotated[
        bool, typer.Option("--expand", help="Show every call by name, groups resolved.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a profile says, or what is in a group."""
    from tracer import profile
    from tracer.report.profile import Group, Shown

    shown = Group.of(name) if name.startswith("@") else Shown(profile.load(name))
    out.report(shown, json=json, whole=expand)


def check(
    file: ProfileFile,
    json: Json = False,
) -> None:
    """Check a profile, and say what is worth knowing of it.

    Exit status: 0 if it is sound, 125 if something is wrong with it.
    """
    from tracer import profile
    from tracer.errors import ProfileError
    from tracer.report.profile import Checked

    try:
        found = profile.load(file)
        _require_filter(found)
    except ProfileError as error:
        if json:
            out.report(Checked(None, str(error)), json=True)
        raise
    out.report(Checked(found, findings=profile.check(found)), json=json)


def _require_filter(profile: Profile) -> None:
    """Raise ProfileError where the kernel would not take the filter, if libseccomp is here."""
    from tracer.errors import SandboxError
    from tracer.sandbox import filter as filters

    with suppress(SandboxError):
        filters.compile(profile).code()


def explain(
    profile: ProfileFile,
    call: Annotated[
        str, typer.Argument(metavar="CALL", help="socket, or 'socket(AF_INET, SOCK_STREAM)'.")
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Its arguments by name: domain=AF_INET."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what a profile does with a call, by which line, and what would allow it.

    Exit status: 0, whatever it does; 125 if the profile is wrong.
    """
    from tracer.decode import words
    from tracer.profile import calls, load
    from tracer.report.decision import Explained
    from tracer.sandbox import filter as filters

    found, plain = load(profile), calls.call(call, words.number)
    asked = calls.with_values(plain, values or [], words.number)
    out.report(Explained.of(found, filters.compile(found).program(), asked), json=json)


def try_calls(
    profile: ProfileFile,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="TOML: lists of calls, by action.")],
    json: Json = False,
) -> None:
    """Try calls on a profile's filter, with nothing started.

    A line of the table:  allow = ["read", "socket(AF_UNIX, SOCK_STREAM)", "i386:getpid"]

    Exit status: 0 if each is answered as expected, 1 if one is not, 125 if a file is wrong.
    """
    from tracer.decode import words
    from tracer.profile import expected, load
    from tracer.report.decision import Tested
    from tracer.sandbox import filter as filters

    found, wanted = load(profile), expected.read(table, words.number)
    tested = Tested.of(found, filters.compile(found).program(), table, wanted)
    out.report(tested, json=json)
    raise typer.Exit(0 if tested.passed else 1)


def schema() -> None:
    """Print the JSON Schema of a profile, by which an editor completes and checks one."""
    import json

    from tracer.profile.schema import schema as made

    typer.echo(json.dumps(made(), indent=1))
