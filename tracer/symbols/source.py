"""Bytes of files that the target may control, read without trusting them.

sbtrace runs as root. To open a device or a FIFO may have effects, or never return. A file that is
mapped into memory ends its reader with SIGBUS when its owner cuts it short. So only regular files
are read; they are checked before they are opened for reading, and read by pread.
"""

from __future__ import annotations

import os
import stat
import weakref
from typing import Protocol

MAX_FILE_BYTES = 8 << 30
MAX_READ_BYTES = 32 << 20
"""Most that one read may ask for: bounds memory whatever lengths a file claims."""


class MalformedError(Exception):
    """The bytes do not make sense; whoever asked goes on without them."""


class Source(Protocol):
    """Something with bytes at offsets."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes at ``offset``, or raise MalformedError."""

    def read_up_to(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes at ``offset``, fewer at the end."""


class MemorySource:
    """Bytes in memory (the vdso, tests)."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, or raise MalformedError."""
        return _whole(self.read_up_to(offset, length), length)

    def read_up_to(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes."""
        _check(offset, length)
        return self._data[offset : offset + length]


class FileSource:
    """A regular file, open for reading as long as this object lives."""

    def __init__(self, path: str) -> None:
        """Open ``path``; raise OSError or MalformedError if it is no regular file."""
        self._fd = _open_regular(path)
        weakref.finalize(self, os.close, self._fd)
        self.status = os.fstat(self._fd)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, or raise MalformedError."""
        return _whole(self.read_up_to(offset, length), length)

    def read_up_to(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes."""
        _check(offset, length)
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            raise MalformedError(f"read failed: {error}") from error


def _open_regular(path: str) -> int:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except ValueError as error:  # a null byte, or text that is no file name
        raise MalformedError(str(error)) from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
            raise MalformedError(f"{path}: not a regular file of at most {MAX_FILE_BYTES} bytes")
        # Through the handle, so that it is the file that was checked; O_NONBLOCK, so that
        # its owner cannot hold up the open with a lease (fcntl F_SETLEASE).
        again = f"/proc/self/fd/{handle}"
        return os.open(again, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    finally:
        os.close(handle)


def _check(offset: int, length: int) -> None:
    if not (0 <= offset <= MAX_FILE_BYTES and 0 <= length <= MAX_READ_BYTES):
        raise MalformedError(f"{length} bytes at {offset}: out of bounds")


def _whole(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise MalformedError(f"{length} bytes wanted, {len(data)} there")
    return data
