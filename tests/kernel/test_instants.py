"""When a target began and ended, by the kernel's own clock: what the run's wall time rests on."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tracer.collectors.kernel import KernelCollector

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kernel
SCRIPT = "import os; print(flush=True); os.read(0, 1)"


@pytest.fixture
def collector() -> Iterator[KernelCollector]:
    made = KernelCollector(lambda _abi, _nr, _args: "ALLOW", frozenset())
    yield made
    made.close()


@contextmanager
def target(collector: KernelCollector) -> Iterator[tuple[int, int, int]]:
    """Fork a target that says a line when it runs, and ends with its stdin.

    Yields its pid, and the pipes' ends from its stdout and to its stdin.
    """
    (go, let_go), (said, say) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(go, 0)
            os.dup2(say, 1)
            os.read(go, 1)
            os.execv(sys.executable, [sys.executable, "-Ic", SCRIPT])  # noqa: S606 - no shell
        finally:
            os._exit(99)
    pidfd = os.pidfd_open(pid)
    collector.enrol(pidfd)
    os.write(let_go, b"x")
    try:
        yield pid, said, let_go
    finally:
        for fd in (go, let_go, said, say, pidfd):
            os.close(fd)


def test_first_and_last_instant_are_those_of_the_kernel(collector: KernelCollector) -> None:
    """The execve comes after the launcher was let go and before the program's first word; the
    end after the order to end and before it can be waited for. No end while one is alive."""
    before = time.monotonic_ns()
    collector.start(0)
    with target(collector) as (pid, said, let_go):
        assert os.read(said, 1)
        running = time.monotonic_ns()
        records = collector.snapshot()
        (process,) = records.processes
        assert before < process.start_ns < running
        assert records.last_ns is None
        ordered = time.monotonic_ns()
        os.write(let_go, b"x")
        assert os.waitpid(pid, 0)[1] == 0
        waited = time.monotonic_ns()
    final = collector.stop()
    (process,) = final.processes
    assert final.last_ns is not None
    assert process.end_ns is not None
    assert ordered < process.end_ns < final.last_ns < waited


def test_a_target_that_never_began_has_no_instants(collector: KernelCollector) -> None:
    records = collector.stop()
    assert records.last_ns is None
