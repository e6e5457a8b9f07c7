"""Which file a command is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tracer.errors import CommandNotExecutable, CommandNotFound
from tracer.sandbox.command import identity_of, resolve_command

if TYPE_CHECKING:
    from pathlib import Path


def test_a_command_is_searched_as_execvp_does(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode in ((first, 0o644), (second, 0o755)):
        folder.mkdir()
        (folder / "tool").write_text("#!/bin/sh\n")
        (folder / "tool").chmod(mode)
    assert resolve_command("tool", f"{first}:{second}") == f"{second}/tool"
    with pytest.raises(CommandNotExecutable):
        resolve_command("tool", str(first))
    with pytest.raises(CommandNotFound):
        resolve_command("other", f"{first}:{second}")


def test_a_program_is_one_whatever_leads_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "other-name").symlink_to("/usr/bin/env")
    monkeypatch.chdir(tmp_path / "link")
    whole = str(tmp_path.resolve() / "real" / "other-name")
    for given in ("./other-name", "other-name", "../link/other-name", whole):
        assert identity_of(given) == whole
