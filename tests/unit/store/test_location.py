"""Which folders can be trusted with a database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import NOBODY
from tracer.identity import Identity
from tracer.store.location import is_trusted

ROOT = Identity(0, 0)


def test_what_root_alone_can_change_is_trusted() -> None:
    assert is_trusted(Path("/"), ROOT) is True


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
@pytest.mark.parametrize("place", [".", "below"])
def test_a_folder_of_another_user_or_below_it_is_not(tmp_path: Path, place: str) -> None:
    (tmp_path / "below").mkdir()
    os.chown(tmp_path, NOBODY, NOBODY)
    assert is_trusted(tmp_path / place, ROOT) is False
    assert is_trusted(tmp_path / place, Identity(NOBODY, NOBODY)) is True


def test_what_is_not_there_is_not_trusted(tmp_path: Path) -> None:
    assert is_trusted(tmp_path / "missing", ROOT) is False
