"""``sbtrace profile verify``: a verdict in place of the summary, and its exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel
OUTPUT = "printed"


def test_a_command_that_was_refused_nothing_passes_with_its_own_output(sbtrace: Sbtrace) -> None:
    """Also where it ends with another status than 0, which the verdict says."""
    done = sbtrace("profile", "verify", "STRICT", "--", "sh", "-c", f"echo {OUTPUT}; exit 3")
    assert (done.returncode, done.stdout) == (0, f"{OUTPUT}\n")
    assert "STRICT: passes" in done.stderr
    assert "exited with status 3" in done.stderr


def test_a_refused_call_is_named_with_its_line_and_the_exit_status_is_1(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    place = tmp_path / "verdict.json"
    done = sbtrace("profile", "verify", "--json", "-o", place, "STRICT", "sh", "-c", "(:)")
    verdict = json.loads(place.read_text())
    assert (done.returncode, verdict["passed"]) == (1, False)
    assert verdict["outcome"] == "blocked"
    assert {row["action"] for row in verdict["refused"]} == {"kill_process"}
    assert all(row["remedy"] for row in verdict["refused"])


def test_a_command_line_that_begins_with_an_option_is_not_run(sbtrace: Sbtrace) -> None:
    done = sbtrace("profile", "verify", "STRICT", "--json", "ls")
    assert done.returncode == 2
    assert "options stand before the profile" in done.stderr
