"""The files that are the record: told by what they are, not by how they are called."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.errors import SbtraceError
from tracer.store.location import DUCKDB_FILES, is_duckdb, spool_root
from tracer.store.spool.folder import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPANIONS = ("", *DUCKDB_FILES, ".tmp", ".spool")
"""What DuckDB and sbtrace put beside a database, as ends of its name."""
_BACKUP = re.compile(r"\.v\d+\.backup(\.\d+)?")


def refuse_name(path: Path, database: Path | None) -> None:
    """Raise SbtraceError if ``path`` would make or replace a file of ``database``."""
    if database is None:
        return
    real = Path(os.path.realpath(path))
    end = real.name.removeprefix(database.name)
    named = real.name.startswith(database.name) and (end in COMPANIONS or _BACKUP.fullmatch(end))
    if (named and _same(real.parent, database.parent)) or any(
        _same(parent, spool_root(database)) for parent in real.parents
    ):
        raise _refusal(path, database)


def refuse_file(path: Path, file: int, database: Path | None) -> None:
    """Raise SbtraceError if the open ``file`` is any DuckDB database, or one of ``database``."""
    info = os.fstat(file)
    if not stat.S_ISREG(info.st_mode):
        return
    if any(os.path.samestat(info, own) for own in _stats(database)):
        raise _refusal(path, database)
    with suppress(OSError), opened(os.open(f"/proc/self/fd/{file}", os.O_RDONLY)) as readable:
        if is_duckdb(readable):
            raise _refusal(path, None)


def _refusal(path: Path, database: Path | None) -> SbtraceError:
    what = f"a file of the database {database}" if database is not None else "a DuckDB database"
    return SbtraceError(f"{path}: is {what}, not to be overwritten: name another -o FILE")


def _stats(database: Path | None) -> Iterator[os.stat_result]:
    if database is None:
        return
    for end in COMPANIONS:
        with suppress(OSError):
            yield database.with_name(database.name + end).stat()
    for folder, _folders, names in os.walk(spool_root(database)):
        for name in names:
            with suppress(OSError):
                yield (Path(folder) / name).stat()


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
