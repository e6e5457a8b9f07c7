"""``sbtrace profile``: what it prints, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tracer.cli import profile as verb
from tracer.errors import ProfileError

if TYPE_CHECKING:
    from pathlib import Path


def sbtrace(*arguments: str) -> Result:
    app = typer.Typer()
    verb.register(app)
    app.command("other")(lambda: None)  # of one command alone Typer makes no group
    return CliRunner().invoke(app, ["profile", *arguments])


def printed(*arguments: str) -> str:
    done = sbtrace(*arguments)
    assert done.exit_code == 0, done.exception
    assert all(len(line) <= 80 for line in done.output.splitlines())
    return done.output


def as_json(*arguments: str) -> Any:
    return json.loads(sbtrace(*arguments, "--json").stdout)


def test_list_names_every_shipped_profile_with_its_purpose() -> None:
    """One a line, and the same as JSON."""
    assert "LEARNING        Block nothing, record everything\n" in printed("list")
    shipped = [
        entry["name"] for entry in as_json("list")["profiles"] if entry["origin"] == "shipped"
    ]
    assert shipped == ["LEARNING", "RESOURCE-AWARE", "STRICT"]


def test_show_says_what_the_profile_amounts_to() -> None:
    """Groups as they are written, or every call with --expand."""
    shown = printed("show", "resource-aware")
    assert "default  errno:EPERM\n" in shown
    assert "  data           4 GiB\n" in shown
    assert "  @network-io\n" in shown
    assert " socket socketpair" in printed("show", "resource-aware", "--expand")
    data = as_json("show", "strict")
    assert data["default_action"] == "kill_process"
    assert "socket" in data["actions"]["errno:EACCES"]
    assert "read" in data["actions"]["allow"]


def test_show_of_a_group_lists_its_calls_on_this_machine() -> None:
    """Nested groups are resolved; a group that there is not is an error."""
    assert printed("show", "@swap").splitlines()[1] == "  swapoff swapon"
    assert "read" in as_json("show", "@system-service")["syscalls"]
    assert isinstance(sbtrace("show", "@swop").exception, ProfileError)


def test_check_of_a_valid_profile_prints_findings_and_succeeds(tmp_path: Path) -> None:
    """A finding is no failure."""
    path = tmp_path / "a.toml"
    path.write_text('default_action = "kill_process"\nallow = ["read"]\n')
    done = sbtrace("check", str(path))
    assert done.exit_code == 0
    assert "execve is kill_process" in done.output
    assert as_json("check", str(path))["findings"][0]["level"] == "warning"


def test_check_of_a_wrong_profile_fails_with_its_mistake(tmp_path: Path) -> None:
    """The status is 125, and with --json the mistake is on stdout too."""
    path = tmp_path / "a.toml"
    path.write_text("default_action = 3\n")
    done = sbtrace("check", str(path), "--json")
    assert isinstance(done.exception, ProfileError)
    assert done.exception.exit_status == 125
    assert json.loads(done.stdout)["valid"] is False
    assert f"{path}:1: unknown action 3" in json.loads(done.stdout)["error"]


def test_terminal_escapes_of_a_profile_are_shown_not_obeyed(tmp_path: Path) -> None:
    """A description is data."""
    path = tmp_path / "a.toml"
    path.write_text('default_action = "allow"\ndescription = "a\\u001b[2Jb"\n')
    assert "\x1b" not in printed("show", str(path))


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_every_command_has_help(command: str) -> None:
    """And it says what the command is for."""
    assert "Usage:" in sbtrace(command, "--help").output
