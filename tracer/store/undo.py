"""What a checkpoint writes over in place, kept beside the database until the checkpoint is done.

DuckDB writes a checkpoint to unused blocks, and last of all a header that points to them. A process
that dies before has lost nothing. But DuckDB writes over one kind of block while the current header
points to it: a block of metadata with an unused part. Its checksum is that of the whole block, and
the kernel ends a write(2) between two pages when it kills the process. The block would be half old
and half new, and the database unreadable, though no byte in use has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import StoreError
from tracer.store import locks
from tracer.store.location import spool_root
from tracer.store.spool import folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb

    from tracer.identity import Identity

NAME = ".undo"
"""The file's name in the spool. It is there during a checkpoint, and after one that was cut off."""
_FORMAT = 1
# https://duckdb.org/docs/internals/storage: the main header, then two of which the later one
# counts and the other is written next; then the blocks.
_PAGE = 4096
_HEADERS = 3 * _PAGE
_CHECKSUM = 8
_BLOCK_SIZE_AT = _PAGE + _CHECKSUM + 4 * 8  # after iteration, two pointers, the count of blocks
_WORDS = f"<{_PAGE // 8}Q"
_SEED, _FACTOR, _MASK = 5381, 0xBF58476D1CE4E5B9, (1 << 64) - 1  # for the checksum
_PARTS = 64  # of a block of metadata, after its checksum
_WRITTEN_OVER = "SELECT block_id, free_list FROM pragma_metadata_info() WHERE free_blocks > 0"


class Place(NamedTuple):
    """A part of the database file as it was: the headers, or a block of metadata."""

    at: int
    unused: tuple[int, ...]
    """Numbers of the parts of the block that a checkpoint may fill."""
    data: bytes


class Undo:
    """Makes the checkpoints of one open database."""

    def __init__(self, database: Path, file: int, at: int) -> None:
        """``file``, ``at``: the open database and its open spool."""
        self._log = database.with_name(database.name + ".wal")
        self._file, self._at = file, at

    def checkpoint(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Bring what was committed from the log into the file.

        Raises duckdb.Error, and OSError if what is written over cannot be kept. All is in the
        log then, which the next one to open the database reads.
        """
        if not self._log.exists():
            return  # nothing was changed
        self._keep(connection.execute(_WRITTEN_OVER).fetchall())
        connection.execute("CHECKPOINT")
        os.unlink(NAME, dir_fd=self._at)

    def _keep(self, blocks: Sequence[tuple[int, list[int]]]) -> None:
        places = [Place(0, (), os.pread(self._file, _HEADERS, 0))]
        at = _BLOCK_SIZE_AT
        size = int.from_bytes(places[0].data[at : at + 8], "little")
        for number, unused in blocks:
            at = _HEADERS + number * size
            places.append(Place(at, tuple(unused), os.pread(self._file, size, at)))
        _write(places, self._at)


@contextmanager
def opened(database: Path, user: Identity) -> Iterator[Undo]:
    """Yield what makes the checkpoints of ``database``, mended first if one was cut off.

    Enter it before DuckDB opens the file and leave it after: see ``locks.posix_holder``. The
    caller holds ``locks.exclusive``. Raises OSError and StoreError.
    """
    with folder.opened(folder.open_private(spool_root(database), user)) as at:
        _mend(database, at)
        with folder.opened(os.open(database, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)) as file:
            yield Undo(database, file, at)


def is_left(database: Path) -> bool:
    """Whether a checkpoint was cut off, or goes on now: ask within ``locks.shared``."""
    return (spool_root(database) / NAME).exists()


def forget(database: Path) -> None:
    """Drop what was kept of a database that is not there any more."""
    with suppress(FileNotFoundError):
        (spool_root(database) / NAME).unlink()


def _write(places: Sequence[Place], at: int) -> None:
    shapes = [[place.at, place.unused, len(place.data)] for place in places]
    head = json.dumps({"format": _FORMAT, "places": shapes})
    content = head.encode() + b"\n" + b"".join(place.data for place in places)
    with suppress(FileNotFoundError):
        os.unlink(NAME, dir_fd=at)
    with folder.opened(folder.new_file(NAME, at)) as file:
        folder.write_all(file, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        os.fsync(file)  # before anything is written over


def _read(database: Path, at: int) -> list[Place] | None:
    """Return what was kept; None if there is nothing, or half of it: then nothing was begun."""
    try:
        digest, _, content = folder.read_file(NAME, at).partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        line, _, data = content.partition(b"\n")
        head = json.loads(line)
        if head["format"] == _FORMAT:
            return list(_places(head["places"], data))
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    raise StoreError(
        f"{database}: another version of sbtrace was killed over it: read it with that one once"
    )


def _places(shapes: list[tuple[int, list[int], int]], data: bytes) -> Iterator[Place]:
    """Yield each place. Raises ValueError and TypeError for shapes that are none."""
    for at, unused, size in shapes:
        yield Place(int(at), tuple(unused), data[:size])
        data = data[size:]


def _mend(database: Path, at: int) -> None:
    """Put back what a checkpoint wrote over, unless it came to its end."""
    places = _read(database, at)
    if places is not None:
        with folder.opened(os.open(database, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)) as file:
            _lock(database, file)
            if _is_cut_off(file, places):
                _put_back(file, places)
    with suppress(FileNotFoundError):
        os.unlink(NAME, dir_fd=at)


def _lock(database: Path, file: int) -> None:
    """Keep DuckDB in other programs out until ``file`` is closed. Raises Busy."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise locks.Busy(locks.busy(database, 0)) from error


def _is_cut_off(file: int, places: Sequence[Place]) -> bool:
    """Whether the file is the same one, its headers still those of before the checkpoint."""
    headers, *blocks = places
    now, before = _pages(os.pread(file, _HEADERS, 0)), _pages(headers.data)
    pages = zip(now, before, strict=False)
    same = len(now) == len(before) and all(a == b or not _is_whole(a) for a, b in pages)
    return same and all(_has_used_parts(file, block) for block in blocks)


def _pages(headers: bytes) -> list[bytes]:
    return [headers[at : at + _PAGE] for at in range(0, len(headers), _PAGE)]


def _is_whole(page: bytes) -> bool:
    """Whether DuckDB's checksum of ``page`` is right: one that a power cut tore has another."""
    stored, *words = struct.unpack(_WORDS, page)
    found = _SEED
    for word in words:
        found ^= word * _FACTOR & _MASK
    return bool(stored == found)


def _has_used_parts(file: int, block: Place) -> bool:
    """Whether all in use in the block is in the file: so nothing of another one is written over."""
    now = os.pread(file, len(block.data), block.at)
    size = (len(now) - _CHECKSUM) // _PARTS // 8 * 8
    starts = (_CHECKSUM + part * size for part in range(_PARTS) if part not in block.unused)
    return all(now[at : at + size] == block.data[at : at + size] for at in starts)


def _put_back(file: int, places: Sequence[Place]) -> None:
    for place in places:
        os.lseek(file, place.at, os.SEEK_SET)
        folder.write_all(file, place.data)
    os.fsync(file)
