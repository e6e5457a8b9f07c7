"""Which processes belong to a target: the descendants of one process.

That of a command is sbtrace itself: it is a child subreaper, so an orphan of the target becomes
its child, and the target is always the whole tree below sbtrace.
"""

from __future__ import annotations

import os
from pathlib import Path

_MANY_THREADS = 64
"""Reading ``children`` takes one file for each thread (5 us), asking psutil one for each
process of the machine (13 us): above this many threads psutil's way is the cheaper one."""


class ProcessTree:
    """Lists the pids below a process, by the cheapest way that this kernel has."""

    def __init__(self, top_pid: int, first: tuple[int, ...] = ()) -> None:
        """``first``: those of them that there are now."""
        self.top_pid, self.first = top_pid, first
        # Present with CONFIG_PROC_CHILDREN, as every distribution has it.
        self._has_children_files = Path(f"/proc/{top_pid}/task/{top_pid}/children").exists()
        if not self._has_children_files:
            self._ask_psutil()  # importing it now makes no sample late

    def pids(self) -> list[int]:
        """Pids of all processes below the top, zombies included, parents first.

        A process that starts or ends meanwhile may be missing, as in any listing of /proc.
        """
        if self._has_children_files:
            found = self._walk()
            if found is not None:
                return found
        return self._ask_psutil()

    def _walk(self) -> list[int] | None:
        """The pids, or None once it took too many threads to be worth it."""
        found: list[int] = []
        queue = [self.top_pid]
        many_threads_seen = 0
        for pid in queue:
            tids = _threads(pid)
            many_threads_seen += len(tids) - 1
            if many_threads_seen > _MANY_THREADS:
                return None
            below = [child for tid in tids for child in _children(pid, tid)]
            found += below
            queue += below
        return found

    def _ask_psutil(self) -> list[int]:
        import psutil  # not at every start: most targets never come here

        try:
            children = psutil.Process(self.top_pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children]


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 -- a Path for each thread costs more than the call
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int, tid: str) -> list[int]:
    try:
        fd = os.open(f"/proc/{pid}/task/{tid}/children", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return []
    try:
        return [int(word) for word in _read_all(fd).split()]
    except ProcessLookupError:
        return []
    finally:
        os.close(fd)


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 65_536):
        parts.append(part)
    return b"".join(parts)
