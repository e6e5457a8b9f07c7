"""Files of a spool that only grow: one row a line, never half a line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Self

from tracer.store.spool import folder
from tracer.store.spool.encode import json_lines

if TYPE_CHECKING:
    from collections.abc import Sequence


class RowFile:
    """One table's appended rows. Methods raise OSError, and then the file is as it was."""

    def __init__(self, file: int, kind: type[NamedTuple]) -> None:
        self._file, self._kind = file, kind
        self.size = 0
        """Bytes of whole rows."""

    @classmethod
    def create(cls, table: str, kind: type[NamedTuple], at: int) -> Self:
        """Make the empty log of ``table`` in the folder ``at``."""
        return cls(folder.new_file(file_name(table), at, flags=os.O_RDWR | os.O_APPEND), kind)

    def append(self, rows: Sequence[NamedTuple]) -> None:
        """Add rows, all of this log's kind."""
        self._write("".join(json_lines(self._kind, rows)).encode())

    def copy_from(self, other: RowFile) -> None:
        """Add all that ``other`` holds."""
        for start in range(0, other.size, 1 << 20):
            self._write(os.pread(other._file, min(1 << 20, other.size - start), start))

    def sync(self) -> None:
        """Return when everything is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        try:
            folder.write_all(self._file, data)
        except OSError:
            os.ftruncate(self._file, self.size)  # no torn line before later ones
            raise
        self.size += len(data)


def file_name(table: str) -> str:
    """Return the name of the log of ``table`` within a spool."""
    return f"{table}.jsonl"
