"""The kernel collector alone, in the test's own process: what it says of one command."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tracer.collectors.kernel.collector import KernelCollector
from tracer.profile import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer.collectors.kernel.program.loaded import Program


@contextmanager
def counting() -> Iterator[KernelCollector]:
    """A collector that counts nothing yet."""
    collector = KernelCollector(load("LEARNING").decide, frozenset())
    try:
        yield collector
    finally:
        collector.close()


def follow(counter: KernelCollector | Program, *command: str | Path) -> int:
    """Run a command that is counted from its execve on; return its wait status.

    What it prints is thrown away.
    """
    words = [str(word) for word in command]
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.read(ready, 1)
            os.execv(words[0], words)  # noqa: S606 - no shell is started
        finally:
            os._exit(99)
    pidfd = os.pidfd_open(pid)
    try:
        counter.enrol(pidfd)
        os.write(go, b"x")
        return os.waitpid(pid, 0)[1]
    finally:
        for descriptor in (pidfd, ready, go):
            os.close(descriptor)
