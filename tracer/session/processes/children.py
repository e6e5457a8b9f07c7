"""The children of a process of sbtrace: listed, and killed with everything below them."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_PAUSE_S = 0.001
_LIST = Path("/proc/thread-self/children")
_held: dict[int, int] = {}
"""The list of a process of sbtrace, by its pid: what was forked since has a list of its own."""


def end_children() -> None:
    """Kill and reap every child, and what falls to this process by that, until none is left.

    The caller is a child subreaper, so the children of those it kills become its own: the
    whole target comes up level by level. One that forks while it is looked at comes up in
    the next round.
    """
    while True:
        for pid in children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        _pause()


def _pause() -> None:
    # SIGCHLD is blocked in every process of sbtrace, so it ends the pause and no handler runs.
    signal.sigtimedwait({signal.SIGCHLD}, _PAUSE_S)


def hold_list() -> None:
    """Open the list of the calling thread's children for good.

    A target of the same user may take the right to open files from a process of sbtrace:
    prlimit(2), RLIMIT_NOFILE. What is open stays open.
    """
    with suppress(OSError):
        _held[os.getpid()] = os.open(_LIST, os.O_RDONLY | os.O_CLOEXEC)


def children() -> list[int]:
    """Pids of the children of the calling thread, zombies included.

    It has to be the first one of its process: to that the kernel gives orphans (kernel/exit.c:
    find_alive_thread).
    """
    held = _held.get(os.getpid())
    try:
        found = _LIST.read_bytes() if held is None else _read_list(held)
        return [int(word) for word in found.split()]
    except FileNotFoundError:
        return _by_stat()


def _read_list(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts = iter(lambda: os.read(descriptor, 65536), b"")
    return b"".join(parts)


def _by_stat() -> list[int]:
    """The same without CONFIG_PROC_CHILDREN."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                # "pid (comm) state ppid …": a comm may hold anything, ")" included
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == os.getpid():
                    found.append(int(entry.name))
    return found
