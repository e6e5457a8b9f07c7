"""A run on trial says what would fail in a real one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from tracer.errors import SandboxError
from tracer.session import trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.collectors.kernel import KernelCollector
    from tracer.sandbox.launch import Launcher


class _Part:
    """A launcher whose child has ended, or a collector."""

    def __init__(self, pidfd: int, failure: Exception | None = None) -> None:
        self.pidfd, self._failure = pidfd, failure
        self.done: list[str] = []

    def enrol(self, pidfd: int) -> None:
        self.done.append(f"enrol {pidfd}")

    def release(self) -> None:
        self.done.append("release")

    def failure(self) -> Exception | None:
        return self._failure

    def stop(self) -> str:
        return "records"


@pytest.fixture
def ended() -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    pidfd = os.pidfd_open(pid)
    yield pidfd
    os.waitpid(pid, 0)
    os.close(pidfd)


def counted(launcher: _Part, kernel: _Part) -> Any:
    return trial._counted(cast("Launcher", launcher), cast("KernelCollector", kernel))


def test_the_child_is_enrolled_before_it_goes_on(ended: int) -> None:
    part = _Part(ended)
    assert counted(part, part) == "records"
    assert part.done == [f"enrol {ended}", "release"]


def test_a_child_that_never_became_the_shell_is_the_reason(ended: int) -> None:
    part = _Part(ended, SandboxError("no shell"))
    with pytest.raises(SandboxError, match="no shell"):
        counted(part, part)
