"""The README is true where a machine can tell."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from tests.support import ROOT
from tracer.cli import profile
from tracer.cli.app import VERBS
from tracer.resources import profiles_dir, queries_dir

README = (ROOT / "README.md").read_text()
NAMES = [
    *(file.stem for file in queries_dir().glob("*.sql")),
    *(file.stem for file in profiles_dir().glob("*.toml")),
    *VERBS,
]


@pytest.mark.parametrize("name", NAMES)
def test_every_query_profile_and_verb_is_named(name: str) -> None:
    """Who reads the README to its end knows what there is."""
    assert f"`{name}" in README or f"sbtrace {name}" in README


def test_every_command_of_profile_is_named_and_no_other() -> None:
    app = typer.Typer()
    profile.register(app)
    group: Any = typer.main.get_command(app)
    listed = re.search(r"`profile ([a-z|]+)`", README)
    assert listed is not None
    assert set(listed[1].split("|")) == set(group.commands["profile"].commands)


def test_no_line_is_wider_than_100_characters() -> None:
    assert [line for line in README.splitlines() if len(line) > 100] == []
