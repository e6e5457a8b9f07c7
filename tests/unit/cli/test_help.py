"""What --help says: nothing cut off, one style, and examples that work as they stand."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from tracer.cli.app import VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator


def _whole() -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    for verb in VERBS:
        import_module(f"tracer.cli.{verb}").register(app)
    return app


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


APP = _whole()
COMMANDS = dict(_commands(typer.main.get_command(APP)))
EXAMPLES = [
    line.strip().partition(" > ")[0]
    for command in COMMANDS.values()
    for line in (command.epilog or "").splitlines()
    if line.strip().startswith("sbtrace ")
]


def _help(*path: str) -> str:
    shown = CliRunner().invoke(APP, [*path, "--help"], env={"COLUMNS": "80"}, color=False)
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_command_line_that_is_understood(example: str) -> None:
    words = tuple(shlex.split(example)[1:])
    path = max((path for path in COMMANDS if words[: len(path)] == path), key=len)
    context = COMMANDS[path].make_context(path[-1], list(words[len(path) :]))
    assert context.command is COMMANDS[path]


def test_each_command_of_profile_shows_its_examples_and_in_one_place() -> None:
    of_profile = {path: command for path, command in COMMANDS.items() if path[:-1] == ("profile",)}
    assert [path for path, command in of_profile.items() if not command.epilog] == []
    assert [path for path, command in of_profile.items() if "Example" in command.help] == []


ANSWERS_A_QUESTION = sorted(
    path
    for path in COMMANDS
    if (path[0] == "profile" and path[1:] and path[1] not in {"list", "show", "schema"})
    or path in {("filter",), ("check",), ("compare",)}
)


@pytest.mark.parametrize("path", ANSWERS_A_QUESTION, ids=" ".join)
def test_a_verb_whose_exit_status_says_something_says_what(path: tuple[str, ...]) -> None:
    shown = " ".join(_help(*path).split())
    assert re.search(r"Exit status: (0|1) ?(if|,|;)", shown), shown
    assert "125" in shown


def test_the_verbs_that_take_the_most_options_show_examples() -> None:
    with_examples = {path for path, command in COMMANDS.items() if command.epilog}
    assert {
        ("run",),
        ("show",),
        ("filter",),
        ("compare",),
        ("why",),
        ("runs",),
        ("query",),
    } <= with_examples


@pytest.mark.parametrize("path", [(), ("profile",), ("db",)])
def test_no_line_of_a_list_of_commands_is_cut_off(path: tuple[str, ...]) -> None:
    before, heading, commands = _help(*path).partition("Commands:")
    assert before
    assert heading
    assert "..." not in commands


@pytest.mark.parametrize("path", COMMANDS)
def test_no_option_shows_a_type_of_python_for_what_it_takes(path: tuple[str, ...]) -> None:
    shown = _help(*path)
    assert not re.search(r"<(str|path|int|float|text)|[{][a-z]+[}]", shown)
    assert all(len(line) <= 80 for line in shown.splitlines())
