"""A cgroup of the target's own that bounds its tasks (cgroup-v1/pids.rst, cgroup-v2.rst).

RLIMIT_NPROC cannot do that: it counts what the user runs elsewhere too, and root passes it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from tracer.sandbox.mounts import Mount, mounted

_PREFIX = "sbtrace-"
_REMOVAL_S = 0.5


class PidsCgroup:
    """A cgroup with ``pids.max``. Its folder is locked while this process lives."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def enrol(self, pid: int) -> None:
        """Put a process into it; what it forks from now on is in it as well. Raises OSError."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def refusals(self) -> int | None:
        """How many forks met the bound; None if this kernel does not tell."""
        with suppress(OSError, ValueError):
            for line in (self.folder / "pids.events").read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "max":
                    return int(count)
        return None

    def close(self) -> None:
        """Remove it; a member that is not gone within half a second leaves it to the next run."""
        until = time.monotonic() + _REMOVAL_S
        while True:
            try:
                self.folder.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                if time.monotonic() >= until:
                    break
                time.sleep(0.005)  # the kernel lets go of an ended member some time later
            else:
                break
        os.close(self._lock)


def make(parent: Path, limit: int) -> PidsCgroup:
    """Make a cgroup in ``parent`` for at most ``limit`` tasks. Raises OSError.

    Those that a killed sbtrace left behind are removed: nobody holds their lock.
    """
    for entry in parent.glob(f"{_PREFIX}*"):
        _remove_if_stale(entry)
    while True:
        folder = parent / f"{_PREFIX}{os.urandom(6).hex()}"
        folder.mkdir()
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # somebody took it for stale before it was locked
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            (folder / "pids.max").write_text(str(limit))
            return PidsCgroup(folder, lock)
        os.close(lock)


def _remove_if_stale(folder: Path) -> None:
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.rmdir()
        finally:
            os.close(lock)


def find_parent(proc: Path = Path("/proc/self")) -> Path | None:
    """Where a cgroup that bounds tasks can be made: in our own, else above it; None: nowhere.

    It is looked for in version 1, where the controller has a hierarchy of its own, then in
    version 2, where an ancestor must hand the controller down.
    """
    memberships = (proc / "cgroup").read_text().splitlines()
    mounts = mounted(proc)
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(","):
            return _folder(mounts, "cgroup", "pids", path)
    for line in memberships:
        if line.startswith("0::"):
            own = _folder(mounts, "cgroup2", None, line[3:])
            return _delegating(own, mounts) if own is not None else None
    return None


def _folder(mounts: list[Mount], kind: str, option: str | None, path: str) -> Path | None:
    for found, root, point, options in mounts:
        if found == kind and (option is None or option in options):
            inside = os.path.relpath(path, root)
            folder = Path(os.path.normpath(Path(point) / inside))
            if not inside.startswith("..") and folder.is_dir():
                return folder
    return None


def _delegating(own: Path, mounts: list[Mount]) -> Path | None:
    """The nearest folder from ``own`` up whose children may have pids.max."""
    points = {Path(point) for kind, _root, point, _options in mounts if kind == "cgroup2"}
    for folder in (own, *own.parents):
        with suppress(OSError):
            if "pids" in (folder / "cgroup.subtree_control").read_text().split():
                return folder
        if folder in points:
            break
    with suppress(OSError):
        (own / "cgroup.subtree_control").write_text("+pids")
        return own
    return None
