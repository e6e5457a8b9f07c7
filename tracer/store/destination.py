"""A file that somebody names for output (``-o``): never the record, and whole or as it was.

A regular file is written without a name and put in its place when it is whole, so that a full
disk, or a death in the midst, leaves what was there. What cannot be replaced so is written
directly: FIFOs, devices, the standard streams, a file with several names or of another user.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tracer.errors import SbtraceError
from tracer.identity import Identity, as_invoking_user, user_name
from tracer.store import record_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

_OWN = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STANDARD = {"-": 1, "/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_EXISTING = os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Destination:
    """A place for output that was found good. Nothing is changed before ``writing``."""

    def __init__(self, path: Path, kind: _Kind, remedy: str) -> None:
        self._path, self._kind, self._remedy = path, kind, remedy

    @classmethod
    def open(
        cls, path: Path, database: Path | None, remedy: str = "name another -o FILE"
    ) -> Destination:
        """Open ``path`` with the invoking user's rights; ``-`` is stdout. It waits for the
        reader of a FIFO.

        ``database``: the one in use, no file of which is overwritten. ``remedy``: what an error
        of the system ends with. Raises SbtraceError.
        """
        try:
            with as_invoking_user() as user:
                return cls(path, _kind(path, database, user), remedy)
        except (OSError, ValueError) as error:
            raise _cannot(path, error, remedy) from error

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Yield what to write to, once. After an error a regular file is as it was before.

        Raises SbtraceError if it cannot be written.
        """
        try:
            with as_invoking_user(), self._kind.writing() as file:
                yield file
        except OSError as error:
            raise _cannot(self._path, error, self._remedy) from error


class _Kind(Protocol):
    def writing(self) -> AbstractContextManager[BinaryIO]:
        """Yield what to write to; it is in its place after the block."""


class _Direct:
    """Something that is open and written as it is."""

    def __init__(self, file: int, *, begin: bool) -> None:
        """``begin``: whether a regular file loses what it held."""
        self._file, self._begin = file, begin

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        with os.fdopen(self._file, "wb") as file:
            if self._begin and stat.S_ISREG(os.fstat(self._file).st_mode):
                os.ftruncate(self._file, 0)
            yield file


class _Whole:
    """A regular file that comes into its place when it is whole."""

    def __init__(self, real: Path, old: os.stat_result | None) -> None:
        """``old``: stat of the file that it replaces; None if there is none. Raises OSError."""
        self._name, self._old = real.name, old
        self._folder = os.open(real.parent, _FOLDER)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self._folder, effective_ids=True):
            os.close(self._folder)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        fresh = f".sbtrace-{os.urandom(6).hex()}.new"
        try:
            opened, named = self._make(fresh)
            with os.fdopen(opened, "wb") as file:
                self._be_like_old(opened)
                yield file
                file.flush()
                if not named:
                    source = f"/proc/self/fd/{opened}"
                    os.link(source, fresh, dst_dir_fd=self._folder, follow_symlinks=True)
            os.rename(fresh, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=self._folder)
            os.close(self._folder)

    def _make(self, fresh: str) -> tuple[int, bool]:
        """Make the new file; say whether it has its name, because it needs one to exist."""
        with suppress(OSError):  # NFS and some others cannot do it: open(2), O_TMPFILE
            flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
            return os.open(".", flags, 0o666, dir_fd=self._folder), False
        return os.open(fresh, _NEW, 0o666, dir_fd=self._folder), True

    def _be_like_old(self, opened: int) -> None:
        if self._old is not None:
            os.fchown(opened, self._old.st_uid, self._old.st_gid)
            os.fchmod(opened, stat.S_IMODE(self._old.st_mode))


def _cannot(path: Path, error: Exception, remedy: str) -> SbtraceError:
    reason = getattr(error, "strerror", None) or error
    return SbtraceError(f"{path}: cannot be written: {reason}: {remedy}")


def _kind(path: Path, database: Path | None, user: Identity) -> _Kind:
    record_files.refuse_name(path, database)
    own = _own_descriptor(path)
    if own is not None:
        # A copy goes on where the original stands: what others wrote there stays.
        return _Direct(_checked(path, os.dup(own), database), begin=False)
    real = _resolved(path, user)
    try:
        file = os.open(real, _EXISTING)
    except FileNotFoundError:
        return _Whole(real, None)
    info = os.fstat(_checked(path, file, database))
    _refuse_planted(real, info, user)
    if _may_replace(info, user):
        with suppress(OSError):
            whole = _Whole(real, info)
            os.close(file)
            return whole
    return _Direct(file, begin=True)


def _own_descriptor(path: Path) -> int | None:
    """Return the number of the descriptor of ours that ``path`` means; None if it means none."""
    text = os.path.normpath(path)
    match = _OWN.fullmatch(text)
    return int(match[1]) if match else _STANDARD.get(text)


def _checked(path: Path, file: int, database: Path | None) -> int:
    try:
        record_files.refuse_file(path, file, database)
    except BaseException:
        os.close(file)
        raise
    return file


def _resolved(path: Path, user: Identity) -> Path:
    """Follow ``path``'s own links; not one that another user left in a folder of all."""
    with suppress(FileNotFoundError):
        _refuse_planted(path, path.lstat(), user)
    return Path(os.path.realpath(path))


def _refuse_planted(path: Path, info: os.stat_result, user: Identity) -> None:
    """Raise SbtraceError for what another user put in a sticky folder such as /tmp.

    The kernel does the same with fs.protected_symlinks, _regular and _fifos, where it is set.
    """
    folder = path.parent.stat()
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if shared and info.st_uid not in (user.uid, folder.st_uid):
        raise SbtraceError(
            f"{path}: belongs to user {user_name(info.st_uid)}, in a folder that others write"
            " to: name another -o FILE"
        )


def _may_replace(info: os.stat_result, user: Identity) -> bool:
    """Whether a new file can be all that the old one was: its owner, group, mode and names."""
    ours = info.st_uid == user.uid and info.st_gid in (user.gid, *os.getgroups())
    return stat.S_ISREG(info.st_mode) and info.st_nlink == 1 and (ours or user.uid == 0)
