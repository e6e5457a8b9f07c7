"""The child process that a query computes in."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from tracer.query import bounded

if TYPE_CHECKING:
    import pytest

NO_LIMITS = bounded.Limits(1 << 30, None)


class Engine:
    """Says in which process it is taken down, as a DuckDB with threads must not be in a child."""

    def __init__(self, told: int) -> None:
        self.told, self.itself = told, self  # a circle: only the collector finds it

    def __del__(self) -> None:
        os.write(self.told, f"{os.getpid()}\n".encode())


def fork_that_collects() -> int:
    """Python's own handlers after a fork, in the child, may set the collector off."""
    pid = os.fork()
    if pid == 0:
        gc.collect()
    return pid


def test_a_child_takes_nothing_of_the_parents_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead engine of the parent's has no threads in the child: its end there is SIGSEGV."""
    reads, told = os.pipe()
    monkeypatch.setattr(bounded, "fork", fork_that_collects)
    gc.disable()  # the engine is dead, and not yet taken down
    try:
        Engine(told)
        with bounded.stream(lambda send: send(bounded.END), NO_LIMITS) as items:
            assert list(items) == []
    finally:
        gc.enable()
    gc.collect()
    os.close(told)
    with os.fdopen(reads) as said:
        assert said.read() == f"{os.getpid()}\n"


def test_the_parent_collects_again_after_the_fork() -> None:
    before = gc.get_freeze_count()
    with bounded.stream(lambda send: send(bounded.END), NO_LIMITS) as items:
        assert gc.get_freeze_count() == before
        assert gc.isenabled()
        assert list(items) == []
