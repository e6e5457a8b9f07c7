"""Do something to a database in a process that dies at its n-th write, as often as one likes.

What is counted is every call of the process that changes a file below a folder, DuckDB's threads
included: see tests/programs/die_writing.c.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

IN_MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where folders for this are made: deaths are tried, no disks. None: where others are made."""
DOINGS = ("take_in", "prune", "upgrade")
"""What can be done: the runs that wait taken in; all runs but the newest taken out; nothing, but
the database settled and migrated."""


class Killed:
    """A process whose children do it, and die. A context manager."""

    def __init__(self, library: Path) -> None:
        """``library``: die_writing.so."""
        self._library = library

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.killed"],
            env={**os.environ, "LD_PRELOAD": os.fspath(self._library)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def __call__(self, doing: str, database: Path, number: int = 0, size: int = 0) -> int | None:
        """Do it; return how many writes it took, or None if it died at the write ``number``.

        Of that write ``size`` bytes are written.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{doing} {number} {size} {database}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer.strip(), "the one that kills is dead itself"
        return None if answer.strip() == "died" else int(answer)


def copy(old: Path, new: Path) -> Path:
    """Put a copy of the folder of the database ``old`` in the place of ``new``; return ``new``."""
    shutil.rmtree(new.parent, ignore_errors=True)
    shutil.copytree(old.parent, new.parent)
    return new


def _serve() -> None:
    import duckdb  # noqa: F401 - once, not in each child

    from tracer.store import database, intake, maintain, reader  # noqa: F401

    preloaded = ctypes.CDLL(None)
    for line in sys.stdin:
        doing, number, size, path = line.rstrip("\n").split(" ", 3)
        there, here = os.pipe()
        if os.fork() == 0:
            preloaded.die_arm(
                path.rpartition("/")[0].encode(), int(number), ctypes.c_long(int(size))
            )
            _do(doing, Path(path))
            os.write(here, str(preloaded.die_count()).encode())
            os._exit(0)
        os.close(here)
        os.wait()
        with os.fdopen(there) as answer:
            print(answer.read() or "died", flush=True)


def _do(doing: str, database: Path) -> None:
    from tracer.store import intake, maintain

    if doing == "take_in":
        waiting = intake.take_in(database).waiting
        assert not waiting, waiting
    elif doing == "prune":
        maintain.prune(database, None, 1, dry_run=False)
    else:
        intake.upgrade(database)


if __name__ == "__main__":
    _serve()
