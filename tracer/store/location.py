"""Where the database and its spool lie, and whether a run could be kept there.

Nothing here opens the database or imports DuckDB: it runs before every target starts.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
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
    from collections.abc import Iterable, Iterator

_MAGIC = b"DUCK"
_MAGIC_AT = 8  # after the checksum of the first block, https://duckdb.org/docs/internals/storage
DUCKDB_FILES = (".wal", ".wal.checkpoint", ".wal.recovery")
"""Ends of the names of what DuckDB makes beside a database."""
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}
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
        real = os.path.realpath(path)
        real.encode()
    except UnicodeEncodeError as error:
        raise StoreError(
            f"{path}: is not UTF-8, and DuckDB opens nothing else: {_OTHER}"
        ) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}: {_OTHER}") from error
    return Path(real)


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
    for base in filter(lambda base: is_trusted(Path(base), owner), bases):
        yield Path(base) / f"sbtrace-{owner.uid}" / f"{key}.spool"


def check_writable(path: Path) -> None:
    """Raise StoreError if runs cannot be recorded in the database ``path``.

    It looks at the file's owner and first bytes, at what lies beside it and at its folder; it
    makes the folder if it is missing. A lock that somebody holds does not delay or fail it.
    """
    with as_invoking_user() as user:
        try:
            _make_folder(path.parent, user)
            check_own(path, user)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(f"{path}: cannot be used as database: {reason}: {_OTHER}") from error
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise StoreError(f"{path.parent}: folder is not writable by user {user.name}: {_OTHER}")


def check_own(path: Path, user: Identity) -> None:
    """Raise StoreError unless ``user`` may write the database ``path``, led astray by nobody.

    Its folder must be there. Raises OSError if it cannot be looked at.
    """
    check_trusted(path.parent, user)
    check_file(path, user)
    check_companions(path, user.uid)


def check_readable(path: Path) -> int:
    """Return the uid that the database ``path`` belongs to; wait for no FIFO in its place.

    Raises StoreError unless it and what DuckDB reads beside it are regular files of one user,
    and OSError if they cannot be looked at.
    """
    info = path.stat()
    _require_regular(path, info)
    check_companions(path, info.st_uid)
    return info.st_uid


def check_companions(path: Path, uid: int) -> None:
    """Raise StoreError if what DuckDB opens beside the database ``path`` is not a file of ``uid``.

    DuckDB follows links there, and replays a write-ahead log whoever wrote it.
    """
    for end in DUCKDB_FILES:
        beside = path.with_name(path.name + end)
        with suppress(FileNotFoundError):
            info = beside.lstat()
            if not stat.S_ISREG(info.st_mode) or info.st_uid != uid or info.st_nlink != 1:
                raise StoreError(
                    f"{beside}: is not the database's own log: look who put it there and"
                    f" move it away, or {_OTHER}"
                )


def _make_folder(folder: Path, user: Identity) -> None:
    """Make ``folder`` and what is missing above it, once all above is known to be safe."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        _check_above(folder, (place.parent, *place.parent.parents), user)
        place.mkdir(mode=0o700, exist_ok=True)


def check_file(path: Path, user: Identity) -> None:
    """Raise StoreError unless ``path`` is missing or a DuckDB file that belongs to ``user``.

    Raises OSError if it cannot be read.
    """
    try:
        _require_regular(path, path.lstat())  # before it is opened: that alone moves a device
        found = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        info = os.fstat(found)
        _require_regular(path, info)
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


def _require_regular(path: Path, info: os.stat_result) -> None:
    """Raise StoreError that says what lies at ``path`` instead of a file."""
    if not stat.S_ISREG(info.st_mode):
        kind = _KINDS.get(stat.S_IFMT(info.st_mode), "something else")
        raise StoreError(f"{path}: is not a regular file but {kind}: {_OTHER}")


def is_duckdb(file: int) -> bool:
    """Whether the open regular ``file`` begins as a DuckDB database does."""
    return os.pread(file, len(_MAGIC), _MAGIC_AT) == _MAGIC


def check_trusted(folder: Path, user: Identity) -> None:
    """Raise StoreError if another user can put a link in the way of what is written in ``folder``.

    DuckDB makes files beside the database and follows links. Root trusts no folder
    that anybody else can write to, and none below such a folder. One above may be sticky, since
    nobody else can rename root's files there. An ordinary user can only be led to files of their
    own, and is kept from folders that everybody writes to.
    """
    info = folder.stat()
    others = stat.S_IWOTH if user.uid else stat.S_IWGRP | stat.S_IWOTH
    if info.st_mode & others:
        raise StoreError(
            f"{folder}: others can put files there, and so lead sbtrace to write elsewhere:"
            f" name a folder of your own, such as --db {folder}/{user.name}/runs.duckdb"
        )
    _check_above(folder, (folder, *folder.parents), user)


def is_trusted(folder: Path, user: Identity) -> bool:
    """Whether nobody but ``user`` and root can exchange what ``user`` makes in ``folder``."""
    try:
        _check_above(folder, (folder, *folder.parents), user)
    except (OSError, StoreError):
        return False
    return True


def _check_above(folder: Path, places: Iterable[Path], user: Identity) -> None:
    """Raise StoreError if somebody but root can rename what root has in ``places``."""
    if user.uid != 0:
        return
    for place in places:
        info = place.stat()
        others = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not info.st_mode & stat.S_ISVTX
        if info.st_uid != 0 or others:
            raise StoreError(f"{folder}: {place} can be changed by others than root: {_OTHER}")
