"""``sbtrace profile``: which profiles there are, what one says, whether one is sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

_Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def register(app: typer.Typer) -> None:
    """Add ``profile`` with its commands to ``app``."""
    commands = typer.Typer(no_args_is_help=True)
    commands.command("list")(list_)
    commands.command()(show)
    commands.command()(check)
    app.add_typer(commands, name="profile", help="List, show and check profiles.")


def list_(json: _Json = False) -> None:
    """List the profiles that can be given by name."""
    from tracer import profile
    from tracer.profile import render

    found = profile.available()
    data = {"profiles": [entry._asdict() for entry in found]}
    _print(data if json else render.listing(found))


def show(
    name: Annotated[
        str, typer.Argument(help="A profile's name or file, or a group: @file-system.")
    ],
    expand: Annotated[
        bool, typer.Option("--expand", help="Every call by name, groups resolved.")
    ] = False,
    json: _Json = False,
) -> None:
    """Show what a profile says, or what is in a group."""
    from tracer import profile
    from tracer.profile import render

    if name.startswith("@"):
        _print(render.group(name) if json else render.group_text(name))
        return
    found = profile.load(name)
    _print(render.as_dict(found) if json else render.text(found, expand=expand))


def check(
    file: Annotated[str, typer.Argument(help="A profile's file or name.")],
    json: _Json = False,
) -> None:
    """Check a profile: exit 0 with what is worth knowing, or 125 with what is wrong."""
    from tracer import profile
    from tracer.errors import ProfileError
    from tracer.profile import render

    try:
        found = profile.load(file)
    except ProfileError as error:
        if json:
            _print({"valid": False, "error": str(error), "findings": []})
        raise
    entries = profile.check(found)
    data = {"valid": True, "error": None, "findings": [entry._asdict() for entry in entries]}
    _print(data if json else render.findings(found, entries))


def _print(shown: str | Mapping[str, object]) -> None:
    from tracer.report import as_json

    typer.echo(shown if isinstance(shown, str) else as_json.dumps(shown).rstrip())
