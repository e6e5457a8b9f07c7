"""A checkpoint that was cut off is taken back: and nothing else ever is."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import pytest

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import database, finished
from tests.unit.store.test_take_in import Holder
from tracer.errors import StoreError
from tracer.store import location, undo
from tracer.store.intake import take_in
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer.store.undo import Place, Undo

__all__ = ["database"]

PAGE = 4096
FIRST, SECOND = "a" * 12, "b" * 12


class CutOff(NamedTuple):
    """A database before and after a checkpoint that is not known to have come to its end."""

    path: Path
    before: bytes
    after: bytes
    places: Sequence[Place]

    def leave(self, content: bytes | bytearray) -> None:
        self.path.write_bytes(content)

    def torn(self) -> bytearray:
        """What a death leaves within the first write over a block that is in use."""
        content = bytearray(self.after)
        content[: len(self.places[0].data)] = self.places[0].data
        for place in self.places[1:]:
            content[place.at : place.at + len(place.data)] = place.data
        at = self.places[1].at
        content[at : at + PAGE] = self.after[at : at + PAGE]
        return content


@pytest.fixture
def cut_off(database: Path, monkeypatch: pytest.MonkeyPatch) -> CutOff:
    """A database of two runs, with what was kept before the second came into the file."""
    _take_in(database, FIRST)
    before = database.read_bytes()
    kept: list[Sequence[Place]] = []

    def checkpoint(self: Undo, connection: duckdb.DuckDBPyConnection) -> None:
        self._keep(connection.execute(undo._WRITTEN_OVER).fetchall())
        connection.execute("CHECKPOINT")

    with monkeypatch.context() as patch:
        patch.setattr(undo.Undo, "checkpoint", checkpoint)
        patch.setattr(undo, "_write", lambda places, at: kept.append(places) or write(places, at))
        _take_in(database, SECOND)
    assert undo.is_left(database)
    return CutOff(database, before, database.read_bytes(), kept[0])


write = undo._write


def _take_in(database: Path, run_id: str) -> None:
    finished(database, a_record(run_id=run_id))
    assert take_in(database).taken == (run_id,)


def runs(database: Path) -> list[str]:
    with Reader(database) as reader:
        found = [run_id for (run_id,) in reader.execute("SELECT run_id FROM runs ORDER BY run_id")]
        assert reader.execute("SELECT count(*) FROM samples") == [(3 * len(found),)]
    assert not undo.is_left(database)
    return found


def test_a_block_that_a_death_tore_is_whole_for_the_next_who_reads(cut_off: CutOff) -> None:
    cut_off.leave(cut_off.torn())
    with pytest.raises(duckdb.Error, match="checksum"):
        duckdb.connect(os.fspath(cut_off.path), read_only=True)
    assert runs(cut_off.path) == [FIRST]


def test_a_header_that_a_power_cut_tore_is_whole_again_too(cut_off: CutOff) -> None:
    content = cut_off.torn()
    for page in (PAGE, 2 * PAGE):
        if cut_off.after[page : page + PAGE] != bytes(content[page : page + PAGE]):
            content[page : page + 16] = cut_off.after[page : page + 16]
    cut_off.leave(content)
    assert runs(cut_off.path) == [FIRST]


def test_a_checkpoint_that_came_to_its_end_is_not_taken_back(cut_off: CutOff) -> None:
    assert runs(cut_off.path) == [FIRST, SECOND]
    assert cut_off.path.read_bytes() == cut_off.after


def test_nothing_of_another_database_is_written_over(cut_off: CutOff) -> None:
    content = cut_off.torn()
    place = cut_off.places[1]
    used = next(part for part in range(64) if part not in place.unused)
    content[place.at + 8 + used * 4088 + 100] ^= 1
    cut_off.leave(content)
    take_in(cut_off.path)
    with pytest.raises(StoreError, match="checksum"):
        runs(cut_off.path)
    assert cut_off.path.read_bytes() == content


def test_half_of_what_was_to_be_kept_is_dropped(cut_off: CutOff) -> None:
    kept = location.spool_root(cut_off.path) / undo.NAME
    kept.write_bytes(kept.read_bytes()[:-1])
    cut_off.leave(cut_off.before)  # nothing is written over before all is kept
    assert runs(cut_off.path) == [FIRST]
    assert cut_off.path.read_bytes() == cut_off.before


@pytest.mark.parametrize("head", ["[]", "3", "{}", '{"format": 1, "places": [3]}', "[" * 10**5])
def test_what_nobody_wrote_is_dropped(cut_off: CutOff, head: str) -> None:
    content = head.encode() + b"\n"
    kept = location.spool_root(cut_off.path) / undo.NAME
    kept.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
    assert runs(cut_off.path) == [FIRST, SECOND]


def test_what_was_kept_of_a_database_that_is_gone_is_dropped(cut_off: CutOff) -> None:
    cut_off.path.unlink()
    _take_in(cut_off.path, FIRST)
    assert runs(cut_off.path) == [FIRST]


def test_another_program_that_holds_the_database_is_waited_for(cut_off: CutOff) -> None:
    cut_off.leave(cut_off.before)
    finished(cut_off.path, a_record())
    with Holder(cut_off.path, "read"):
        [waiting] = take_in(cut_off.path, foreign_s=0).waiting
    assert "in use by" in waiting.reason
    assert len(runs(cut_off.path)) == 2


def test_without_room_to_keep_anything_the_log_stays_and_holds_the_run(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_in(database, FIRST)

    def full(_places: Sequence[Place], _at: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = database.with_name(database.name + ".wal")
    with monkeypatch.context() as patch:
        patch.setattr(undo, "_write", full)
        _take_in(database, SECOND)
    assert log.exists()
    assert runs(database) == [FIRST, SECOND]
    _take_in(database, "c" * 12)
    assert not log.exists()
    assert runs(database) == [FIRST, SECOND, "c" * 12]
