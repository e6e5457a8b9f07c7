"""Who may touch the database now: sbtrace processes queue up, other programs are named.

Two kinds of locks meet here. DuckDB holds a POSIX lock (fcntl) on the database for as long
as it is open, exclusive to write, shared to read. sbtrace processes queue beside it with
flock(2) on two files in the spool folder: ``.lock`` (shared to read, exclusive to write)
and ``.turn``. A process holds ``.turn`` while it waits for ``.lock``, so that readers that
come and go cannot starve a writer.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.store.location import spool_root
from tracer.store.spool.folder import open_private, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer.identity import Identity

QUEUE_S = 10.0
"""How long to wait for other sbtrace processes, which hold the lock for moments."""
FOREIGN_S = 0.4
"""How long to wait for another program, which may hold the database for hours."""
_POLL_S = (0.002, 0.05)  # first and longest pause between two tries
_FLOCK = "hhqqi"  # struct flock of fcntl(2), 64-bit: type, whence, start, length, pid


class Served(Exception):
    """While this process stood in the queue, another one did what it came for."""


class Busy(Exception):
    """Somebody else holds the database; the message says who, and what to do."""


@contextmanager
def exclusive(
    database: Path,
    user: Identity,
    queue_s: float = QUEUE_S,
    foreign_s: float = FOREIGN_S,
    served: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the database for writing: no other sbtrace uses it, and no other program did just now.

    ``served`` is asked while waiting. Raises Served once it says so, Busy, and OSError or
    StoreError if the spool folder cannot be used.
    """
    root = spool_root(database)
    with opened(open_private(root, user)) as folder:
        foreign_until: float | None = None
        queue_until = time.monotonic() + queue_s
        while True:
            with _queued(folder, fcntl.LOCK_EX, queue_until, database, served):
                pid = posix_holder(database, fcntl.F_WRLCK)
                if pid is None:
                    yield
                    return
            # The queue is let go first, so that all who wait find out about it at the same time.
            foreign_until = foreign_until or time.monotonic() + foreign_s
            if time.monotonic() > foreign_until:
                raise Busy(busy(database, pid))
            time.sleep(0.02)


@contextmanager
def shared(
    database: Path, user: Identity, queue_s: float = QUEUE_S, *, make: bool = True
) -> Iterator[None]:
    """Hold the database for reading beside other readers. Raises Busy, OSError, StoreError.

    ``make``: whether to make the folder of the locks if it is missing.
    """
    with (
        opened(open_private(spool_root(database), user, make=make)) as folder,
        _queued(folder, fcntl.LOCK_SH, time.monotonic() + queue_s, database),
    ):
        yield


@contextmanager
def _queued(
    folder: int,
    kind: int,
    until: float,
    database: Path,
    served: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    with _flocked(".lock", folder) as lock:
        with _flocked(".turn", folder) as turn:
            _poll(turn, fcntl.LOCK_EX, until, database, served)
            _poll(lock, kind, until, database, served)
        yield


@contextmanager
def _flocked(name: str, folder: int) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with opened(os.open(name, flags, 0o600, dir_fd=folder)) as file:
        yield file  # closing it gives the lock back


def _poll(file: int, kind: int, until: float, database: Path, served: Callable[[], bool]) -> None:
    pause, longest = _POLL_S
    patient_until = min(until, time.monotonic() + FOREIGN_S)
    while not try_flock(file, kind):
        if served():
            raise Served
        if time.monotonic() > patient_until:
            _require_patience(database, flock_holders(file), over=time.monotonic() > until)
        time.sleep(pause)
        pause = min(2 * pause, longest)


def try_flock(file: int, kind: int) -> bool:
    """Take a flock on the open ``file`` if it can be had at once; say whether it was."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def posix_holder(path: Path, kind: int) -> int | None:
    """Return the pid of a process whose POSIX lock forbids a lock of ``kind`` on ``path``.

    0 if there is one but the kernel does not say who (another PID namespace); None if
    nobody does or the file is missing. Never call it while this process has ``path`` open
    in DuckDB: closing any descriptor of a file drops all POSIX locks of the process on it.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with opened(file):
        asked = struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
        found, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))
    return None if found == fcntl.F_UNLCK else max(pid, 0)


def _require_patience(database: Path, holders: list[int], *, over: bool) -> None:
    """Raise Busy if the wait is over, or if a target of sbtrace is what is waited for.

    sbtrace has the lock for moments. A target of the same user can open the file, and hold it
    for as long as it likes; but it cannot hide its filter.
    """
    own = filters_of(os.getpid())
    targets = [pid for pid in holders if filters_of(pid) > own]
    if targets or over:
        raise Busy(busy(database, next(iter(targets or holders), 0)))


def filters_of(pid: int) -> int:
    """Return how many seccomp filters the process ``pid`` has; 0 if it cannot be known."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("Seccomp_filters:"):
                return int(line.split()[1])
    return 0


def flock_holders(file: int) -> list[int]:
    """Return the pids of the processes that hold a flock on the open ``file``, as far as known."""
    info = os.fstat(file)
    inode = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    # 1: FLOCK ADVISORY WRITE 6600 fe:00:2146465 0 EOF; who waits has a "->" as second word
    rows = [line.split() for line in lines]
    return [int(row[4]) for row in rows if row[1] == "FLOCK" and row[5] == inode]


def busy(database: Path, pid: int) -> str:
    """Return the message of Busy; ``pid`` is 0 if it is not known."""
    return f"{database}: in use by {describe(pid)}: close it there, or try again later"


def describe(pid: int) -> str:
    """Return ``pid 123 (its command line)``, or ``another program`` for 0."""
    if pid <= 0:
        return "another program"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"pid {pid}"
    joined = " ".join(" ".join(words).split())
    command = "".join(char if char.isprintable() else "?" for char in joined)
    return f"pid {pid} ({command[:60]}{'…' if len(command) > 60 else ''})"
