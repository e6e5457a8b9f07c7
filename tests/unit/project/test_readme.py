"""The README is true where a machine can tell."""

from __future__ import annotations

import pytest

from tests.support import ROOT
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
