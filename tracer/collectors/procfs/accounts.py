"""``/proc/PID/io`` kept open: how an ordinary user reads the account of their own zombie.

A zombie has no memory, so the kernel gives its files in /proc to root (task_dump_owner() in
fs/proc/base.c), and only root can open them. Whoever opened the file while the process lived
may still read it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tracer.collectors.procfs.files import Io, parse_io, read_io

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_KEPT = 256
"""A process has 1,024 descriptors by default; accounts may take so many of them. Further
processes of the target go without."""


class IoAccounts:
    """Reads accounts; for an ordinary user it opens each once and keeps it."""

    def __init__(self, first: Iterable[int]) -> None:
        """``first``: processes to begin with, the launcher for one, which a command takes its
        account from."""
        self._keeps = os.geteuid() != 0
        self._files: dict[int, int] = {}
        for pid in first:
            self.read(pid)

    def read(self, pid: int) -> Io | None:
        """What ``/proc/PID/io`` says; None if the process is gone or not ours to read."""
        if not self._keeps:
            return read_io(pid)
        if pid in self._files:
            with suppress(PermissionError):
                found = self._kept(pid)
                if found is not None:
                    return found
                self.forget(pid)  # the process is gone: the number is another's by now
        self._open(pid)
        with suppress(PermissionError):
            return self._kept(pid)
        return None

    def forget(self, pid: int) -> None:
        """Close what is kept of a process that is gone."""
        fd = self._files.pop(pid, None)
        if fd is not None:
            os.close(fd)

    def _open(self, pid: int) -> None:
        if pid in self._files or len(self._files) >= _MOST_KEPT:
            return
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            self._files[pid] = os.open(f"/proc/{pid}/io", os.O_RDONLY | os.O_CLOEXEC)

    def _kept(self, pid: int) -> Io | None:
        """Raises PermissionError for a living program that the user may not read."""
        fd = self._files.get(pid)
        if fd is None:
            return None
        try:
            return parse_io(os.pread(fd, 4096, 0))
        except ProcessLookupError:
            return None
