"""Which file a command is."""

from __future__ import annotations

import os
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


def test_a_name_with_a_slash_is_not_searched(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert resolve_command(str(tool), "/nowhere") == str(tool)


@pytest.mark.parametrize("name", ["", "a\0b", "/no/such/file", "/etc/passwd/x", "x" * 5000])
def test_what_cannot_be_a_file_is_not_found(name: str) -> None:
    with pytest.raises(CommandNotFound):
        resolve_command(name, "/bin")


@pytest.mark.parametrize("kind", ["folder", "fifo", "plain"])
def test_what_is_no_program_is_not_executable(tmp_path: Path, kind: str) -> None:
    thing = tmp_path / "thing"
    {"folder": thing.mkdir, "fifo": lambda: os.mkfifo(thing), "plain": thing.touch}[kind]()
    with pytest.raises(CommandNotExecutable, match=str(thing)):
        resolve_command(str(thing))


def test_an_empty_part_of_the_path_is_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert resolve_command("tool", "/nowhere:") == "./tool"
    with pytest.raises(CommandNotFound):
        resolve_command("tool", "/nowhere")


def test_the_path_is_the_environments_and_without_one_the_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandNotFound):
        resolve_command("sh")
    monkeypatch.delenv("PATH")
    assert resolve_command("sh").endswith("/sh")
