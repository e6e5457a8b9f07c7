"""Files that only grow: whole rows, on the disk when that is asked for."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tracer.model import Loss
from tracer.store.spool import folder
from tracer.store.spool.row_file import RowFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW = Loss("kernel", "lost", 23, 1, 2)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RowFile]:
    at = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    made = RowFile.create("losses", Loss, at)
    yield made
    made.close()
    os.close(at)


def test_sync_is_asked_of_the_kernel_for_that_file(
    log: RowFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "fsync", asked.append)
    log.sync()
    assert asked == [log._file]


def test_rows_that_had_no_room_leave_the_file_as_it_was(
    log: RowFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log.append([ROW])
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()

    def half(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as full:
        full.setattr(folder, "write_all", half)
        with pytest.raises(OSError, match="no space"):
            log.append([ROW])
    assert (file.read_bytes(), log.size) == (whole, len(whole))
    log.append([ROW])
    assert file.read_bytes() == 2 * whole
