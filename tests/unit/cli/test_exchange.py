"""``sbtrace profile export`` and ``import``: what they print, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from tracer.cli import exchange
from tracer.errors import ProfileError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

LIMITED = 'default_action = "errno:EPERM"\nallow = ["read"]\n[limits]\ncore = 0\n'


def sbtrace(*arguments: str | Path) -> Result:
    app = typer.Typer()
    exchange.register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def limited(tmp_path: Path) -> Path:
    path = tmp_path / "limited.toml"
    path.write_text(LIMITED)
    return path


@pytest.mark.parametrize("option", ["--format", "--cap"])
def test_a_process_is_of_no_format_and_its_capabilities_are_no_question(option: str) -> None:
    done = sbtrace("import", "--pid", "1", option, "docker")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith(f"profile import: {option} is for a FILE")


def test_a_loss_is_an_error_and_nothing_is_written(limited: Path) -> None:
    out = limited.with_name("out.json")
    done = sbtrace("export", limited, "--format", "oci", "-o", out)
    assert isinstance(done.exception, ProfileError)
    assert "1 thing would be lost; --lossy goes on without" in str(done.exception)
    assert "would be lost: [limits] cannot be said: core" in done.output
    assert not out.exists()


def test_with_lossy_each_loss_is_named_and_the_file_is_written(limited: Path) -> None:
    out = limited.with_name("out.json")
    done = sbtrace("export", limited, "--format", "oci", "--lossy", "-o", out)
    assert done.exit_code == 0
    assert "lost: [limits] cannot be said: core; set them beside it" in done.output
    back = sbtrace("import", out)
    assert back.exit_code == 0
    assert 'default_action = "errno:EPERM"\nallow = ["read"]\n' in back.stdout


def test_a_format_that_is_unknown_is_a_wrong_command_line(limited: Path) -> None:
    done = sbtrace("export", limited, "--format", "ocy")
    assert isinstance(done.exception, UsageError)
    assert '(did you mean "oci"?)' in str(done.exception)


def test_an_import_is_of_a_file_or_a_process(limited: Path) -> None:
    for arguments in ((), (limited, "--pid", "1")):
        done = sbtrace("import", *arguments)
        assert isinstance(done.exception, UsageError)
