"""The contract of --json: docs/json.md."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from tests.support import ROOT, Sbtrace
from tests.unit.report.records import KILLED
from tests.unit.store.test_spool import finished
from tracer.cli.app import VERBS
from tracer.report.as_json import VERSION
from tracer.store.intake import take_in

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = {
    "show": ("last",),
    "why": ("last",),
    "compare": ("last~1", "last"),
    "trend": ("violate",),
    "risk": ("last",),
    "profile show": ("STRICT",),
    "profile check": ("STRICT",),
    "profile explain": ("STRICT", "socket"),
    "profile test": ("STRICT", str(Path(__file__).with_name("calls.toml"))),
    "profile diff": ("STRICT", "LEARNING"),
    "profile replay": ("STRICT",),
    "profile score": ("STRICT",),
    "filter": (str(os.getpid()),),
}
OF_THE_USERS_OWN_SQL = {"query"}
NEEDS_THE_KERNEL = {"run", "profile verify", "check"}
VIEWS = [("--tree",), ("--by", "process"), ("--histogram", "clone")]


def verbs() -> Iterator[str]:
    """Every verb that has --json, as it stands in the program."""

    def below(command: Any, name: str) -> Iterator[str]:
        for child, found in getattr(command, "commands", {}).items():
            yield from below(found, f"{name} {child}".strip())
        if any("--json" in parameter.opts for parameter in command.params):
            yield name

    app = typer.Typer()
    app.callback()(lambda: None)  # so that one verb alone is a verb, too
    for name in VERBS:
        import_module(f"tracer.cli.{name}").register(app)
    yield from below(typer.main.get_command(app), "")


def asked(recorded: Sbtrace, *words: str) -> object:
    answer = recorded(*words)
    assert answer.stdout, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Sbtrace:
    """sbtrace, with a database in which two runs are."""
    launcher = (sys.executable, "-m", "tracer.cli.main")
    sbtrace = Sbtrace(tmp_path_factory.mktemp("json"), launcher, cwd=ROOT)
    earlier = KILLED.run._replace(
        run_id="000000000000", started_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    finished(sbtrace.db, KILLED._replace(run=earlier))
    finished(sbtrace.db, KILLED)
    take_in(sbtrace.db)
    return sbtrace


@pytest.mark.parametrize("verb", sorted({*verbs()} - OF_THE_USERS_OWN_SQL - NEEDS_THE_KERNEL))
def test_every_verb_with_json_gives_an_object_with_the_version(
    verb: str, recorded: Sbtrace
) -> None:
    found = asked(recorded, *verb.split(), *WORDS.get(verb, ()), "--json")
    assert isinstance(found, dict)
    assert found["json_version"] == VERSION
    assert len(found) > 1


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_every_view_of_a_run_does(view: tuple[str, ...], recorded: Sbtrace) -> None:
    found = asked(recorded, "show", "last", *view, "--json")
    assert isinstance(found, dict)
    assert found["json_version"] == VERSION


def test_a_query_gives_the_rows_alone(recorded: Sbtrace) -> None:
    """They are the user's own SQL's, not sbtrace's."""
    assert asked(recorded, "query", "SELECT 7 AS n", "--json") == [{"n": 7}]


def test_the_page_names_every_verb_with_json() -> None:
    page = (ROOT / "docs" / "json.md").read_text()
    named = {word for row in re.findall(r"^\| (.+?) \|", page, re.M) for word in row.split("`")}
    assert {*verbs()} - OF_THE_USERS_OWN_SQL <= named
