"""Private folders and files, made and opened without following anybody's links."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tracer.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tracer.identity import Identity

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def open_private(path: Path, user: Identity, *, make: bool = True) -> int:
    """Open the folder ``path`` of ``user``, made with mode 0700 if it is missing.

    Its parent must be there. Returns a descriptor. Raises OSError, and StoreError if the
    folder is somebody else's or others may write in it.
    """
    if make:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
    opened = os.open(path, _FOLDER)
    info = os.fstat(opened)
    if info.st_uid != user.uid or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(opened)
        raise StoreError(
            f"{path}: is not a private folder of user {user.name}: move it away or chmod 700 it"
        )
    return opened


def open_subfolder(name: str, at: int) -> int:
    """Open the folder ``name`` within the folder ``at``; no link is followed."""
    return os.open(name, _FOLDER, dir_fd=at)


def new_file(name: str, at: int, *, flags: int = os.O_WRONLY) -> int:
    """Create the file ``name`` in the folder ``at`` with mode 0600; it must not be there."""
    return os.open(name, flags | _NEW_FILE, 0o600, dir_fd=at)


def read_file(name: str, at: int) -> bytes:
    """Return the content of the regular file ``name`` in the folder ``at``."""
    with os.fdopen(open_file(name, at), "rb") as file:
        return file.read()


def open_file(name: str, at: int) -> int:
    """Open the file ``name`` in the folder ``at`` for reading; no link is followed."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)


def names(at: int) -> list[str]:
    """Return the sorted names of what lies in the folder ``at``."""
    return sorted(os.listdir(at))


def write_all(file: int, data: bytes) -> None:
    """Write all of ``data``: a disk that fills up makes write(2) short before it fails."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def replace_file(name: str, at: int, pieces: Iterable[str], *, sync: bool = True) -> None:
    """Put ``pieces`` in the file ``name`` of the folder ``at``: or, if it fails, nothing."""
    fresh = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=at)
    file = new_file(fresh, at)
    try:
        for piece in pieces:
            write_all(file, piece.encode())
        if sync:
            os.fsync(file)
        os.rename(fresh, name, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        with suppress(OSError):
            os.unlink(fresh, dir_fd=at)
        raise
    finally:
        os.close(file)


def remove(name: str, at: int, doomed: str) -> None:
    """Remove the folder ``name`` of the folder ``at`` and the files within; it may be gone.

    It is renamed to ``doomed`` first: who dies here leaves no half of it under its own name.
    """
    with suppress(FileNotFoundError):
        os.rename(name, doomed, src_dir_fd=at, dst_dir_fd=at)
        name = doomed
        with opened(open_subfolder(name, at)) as inner:
            for entry in names(inner):
                os.unlink(entry, dir_fd=inner)
        os.rmdir(name, dir_fd=at)


@contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Close ``descriptor`` at the end of the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
