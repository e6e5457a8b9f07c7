"""How a known error is said."""

from __future__ import annotations

import pytest

from tracer.cli.failure import say


@pytest.mark.parametrize("character", ["9", "x", "é", "\\"])
def test_a_word_of_thousands_of_characters_is_shortened_to_its_ends(
    character: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say(f'file.toml:3: unknown action "{"ab" + character * 4000 + "yz"}"; known: allow')
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) < 250
    assert line.startswith('sbtrace: file.toml:3: unknown action "ab')
    assert "known: allow" in line


def test_a_path_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/" + "d" * 200 + "/" + "f" * 150
    say(f"{path}: no such file")
    assert capsys.readouterr().err == f"sbtrace: {path}: no such file\n"
