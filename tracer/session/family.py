"""The end of a target whose supervisor is dead: nobody of it is left alive."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_PAUSE_S = 0.001


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


def children() -> list[int]:
    """Pids of the children of the calling thread, zombies included.

    It has to be the first one of its process: to that the kernel gives orphans (kernel/exit.c:
    find_alive_thread).
    """
    try:
        return [int(word) for word in Path("/proc/thread-self/children").read_text().split()]
    except FileNotFoundError:
        return _by_stat()


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
