"""Where runs are recorded, and whether they can be."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tracer.errors import SbtraceError
from tracer.host.places import is_folder, look
from tracer.host.records import Check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LITTLE_BYTES = 200 * 2**20
_MIB = 2**20


def checks(database: Path, check_writable: Callable[[Path], None]) -> list[Check]:
    """The database, and the room on its disk."""
    return [_database(database, check_writable), _room(database)]


def _database(database: Path, check_writable: Callable[[Path], None]) -> Check:
    try:
        check_writable(database)
    except SbtraceError as error:
        return Check("database", False, "required", str(error))  # it says its own remedy
    found = look(database)
    size = f"{found.st_size / _MIB:.1f} MiB" if found is not None else "not made yet"
    return Check("database", True, "required", f"{database} ({size})")


def _room(database: Path) -> Check:
    folder = next(filter(is_folder, database.parents), None)
    if folder is None:
        return Check("disk", None, "wanted", f"{database}: no folder of this path exists")
    free = shutil.disk_usage(folder).free
    text = f"{free / _MIB:,.0f} MiB free"
    if free < _LITTLE_BYTES:
        remedy = "make room, or name a database on another disk with --db FILE"
        return Check("disk", False, "wanted", text, remedy)
    return Check("disk", True, "wanted", text)
