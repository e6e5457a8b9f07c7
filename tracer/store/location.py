"""Where the database and its spool lie, and whether a run could be kept there.

Nothing here opens the database or imports DuckDB: it runs before every target starts.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.errors import StoreError
from tracer.identity import (
    Identity,
    as_invoking_user,
    home_of,
    invoking_user,
    user_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC = b"DUCK"
_MAGIC_AT = 8  # after the checksum of the first block, https://duckdb.org/docs/internals/storage
_OTHER = "name another database with --db FILE or SBTRACE_DB"


def default_database() -> Path:
    """Return ``sbtrace/sbtrace.duckdb`` in the state folder of the user who asked (XDG).

    Under sudo that is the invoking user's. Raises StoreError where they have no home.
    """
    user = invoking_user()
    state = os.environ.get("XDG_STATE_HOME", "")
    if state.startswith("/"):  # the XDG specification: a relative path is to be ignored
        return Path(state) / "sbtrace" / "sbtrace.duckdb"
    home = home_of(user)
    if home is None:
        raise StoreError(f"user {user.name} has no home folder: {_OTHER}")
    return home / ".local" / "state" / "sbtrace" / "sbtrace.duckdb"


def resolve(db: str | None) -> Path:
    """Return the absolute path of the database, links followed.

    It is ``db``, else SBTRACE_DB, else ``default_database()``. Raises
    StoreError for a path that cannot name a file.
    """
    given = db if db is not None else os.environ.get("SBTRACE_DB") or None
    if given is not None and (not given or "\0" in given):
        raise StoreError(f"--db {given!r} is not a path: {_OTHER}")
    path = Path(given) if given is not None else default_database()
    try:
        return Path(os.path.realpath(path))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}: {_OTHER}") from error


def spool_root(database: Path) -> Path:
    """Return the folder beside ``database`` where runs wait to be taken in."""
    return database.with_name(database.name + ".spool")


def fallback_roots(database: Path, user: Identity | None = None) -> Iterator[Path]:
    """Yield the folders that keep runs of ``database`` when its own cannot, best first.

    /var/tmp comes before /tmp because it outlives a restart.
    """
    owner = user or invoking_user()
    key = hashlib.sha256(os.fsencode(database)).hexdigest()[:16]
    own = os.environ.get("TMPDIR", "")
    bases = dict.fromkeys([*([own] if own.startswith("/") else []), "/var/tmp", "/tmp"])  # noqa: S108 - each is created and checked by folder.open_private
    for base in bases:
        yield Path(base) / f"sbtrace-{owner.uid}" / f"{key}.spool"


def check_writable(path: Path) -> None:
    """Raise StoreError if runs cannot be recorded in the database ``path``.

    It looks at the file's owner and first bytes and at its folder; it makes the folder if
    it is missing. A lock that somebody holds does not delay or fail it.
    """
    with as_invoking_user() as user:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_file(path, user)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(f"{path}: cannot be used as database: {reason}: {_OTHER}") from error
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise StoreError(f"{path.parent}: folder is not writable by user {user.name}: {_OTHER}")
        check_trusted(path.parent, user)


def check_file(path: Path, user: Identity) -> None:
    """Raise StoreError unless ``path`` is missing or a DuckDB file that belongs to ``user``.

    Raises OSError if it cannot be read.
    """
    try:
        found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        info = os.fstat(found)
        if not stat.S_ISREG(info.st_mode):
            raise StoreError(f"{path}: is not a regular file: {_OTHER}")
        if not is_duckdb(found):
            raise StoreError(f"{path}: is not a DuckDB database: move it away, or {_OTHER}")
        if info.st_uid != user.uid:
            raise StoreError(
                f"{path}: belongs to user {user_name(info.st_uid)}, not to {user.name}: {_OTHER}"
            )
    finally:
        # Closing drops this process's POSIX locks on the file (fcntl(2)), DuckDB's among
        # them: never call this while a connection to the file is open.
        os.close(found)


def is_duckdb(file: int) -> bool:
    """Whether the open regular ``file`` begins as a DuckDB database does."""
    return os.pread(file, len(_MAGIC), _MAGIC_AT) == _MAGIC


def check_trusted(folder: Path, user: Identity) -> None:
    """Raise StoreError if root would write where another user can put a link in the way.

    Only root is checked: anybody else, and root under sudo, has only their own rights here.
    """
    if user.uid != 0:
        return
    for place in (folder, *folder.parents):
        info = place.stat()
        others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not info.st_mode & stat.S_ISVTX
        if info.st_uid != 0 or others:
            raise StoreError(f"{folder}: {place} can be changed by others than root: {_OTHER}")
