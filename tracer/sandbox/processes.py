"""The bound on the number of processes and threads of a target."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.errors import SandboxError
from tracer.sandbox import cgroup

if TYPE_CHECKING:
    from tracer.sandbox.user import TargetUser

_WHOLE_RANGE = ["0", "0", "4294967295"]


class ProcessBound:
    """How a profile's ``processes`` is held: by a cgroup, or by the user's own limit."""

    def __init__(self, limit: int, user: TargetUser) -> None:
        """Raises SandboxError if neither holds the target."""
        self._cgroup = _cgroup(limit)
        self.rlimits: tuple[tuple[int, int], ...] = ()
        """What the launcher is to set, as (RLIMIT_*, value)."""
        if self._cgroup is None:
            if user.uid == 0 and _passes_limits():
                raise SandboxError(
                    f"processes = {limit}: root is bounded by a pids cgroup only, and none can "
                    "be made here: give --user, or mount the pids controller"
                )
            # Counted by the kernel over all that the user runs, so what is there has room.
            self.rlimits = ((resource.RLIMIT_NPROC, tasks_of(user.uid) + limit),)

    def enrol(self, pid: int) -> None:
        """Bound a process and its descendants to come. Raises SandboxError."""
        if self._cgroup is not None:
            try:
                self._cgroup.enrol(pid)
            except OSError as error:
                raise SandboxError(
                    f"{self._cgroup.folder}: cannot take the target in: {error.strerror}: "
                    "leave out `processes`, or free the pids controller"
                ) from error

    def refusals(self) -> int | None:
        """How many forks the bound refused; None if it is not known."""
        return self._cgroup.refusals() if self._cgroup is not None else None

    def close(self) -> None:
        """Undo it, once the target is gone."""
        if self._cgroup is not None:
            self._cgroup.close()


def _cgroup(limit: int) -> cgroup.PidsCgroup | None:
    if os.geteuid() != 0:
        return None
    with suppress(OSError):
        parent = cgroup.find_parent()
        return cgroup.make(parent, limit) if parent is not None else None
    return None


def _passes_limits() -> bool:
    """Whether our uid 0 is the machine's, which RLIMIT_NPROC lets through (kernel/fork.c)."""
    return Path("/proc/self/uid_map").read_text().split() == _WHOLE_RANGE


def tasks_of(uid: int) -> int:
    """How many threads a user has now, by the effective uid that /proc shows."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                info = (entry / "task").stat()
                if info.st_uid == uid:
                    count += info.st_nlink - 2  # ".", "..", and a folder for each thread
    return count
