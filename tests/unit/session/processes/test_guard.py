"""How a run becomes three processes, and what the one in front hears where it cannot."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tracer.errors import EXIT_FAILED, SandboxError
from tracer.session.processes import guard
from tracer.session.processes.front import PID_BYTES, Front

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The one by which the front is told; closed in the end, if it is not yet."""
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def a_front(told: int, order: int = -1) -> Front:
    """One whose guard has ended."""
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    return Front(ended, told, order, -1)


@pytest.mark.parametrize("number", [1, 4_194_303, -errno.EAGAIN])
def test_what_the_front_is_told_has_its_sign(pipe: tuple[int, int], number: int) -> None:
    reader, writer = pipe
    guard._tell(writer, number)
    if number > 0:
        front = a_front(reader)
        front._learn_supervisor()
        assert front._supervisor == number
        os.waitpid(front._guard, 0)
    else:
        with pytest.raises(SandboxError, match="Resource temporarily unavailable"):
            a_front(reader)._learn_supervisor()


def test_a_guard_that_died_before_it_told_anything_is_an_error(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(writer)
    with pytest.raises(SandboxError):
        a_front(reader)._learn_supervisor()


def test_a_front_that_is_gone_is_no_error_for_the_guard(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    guard._tell(writer, 1)


def test_a_supervisor_that_cannot_be_forked_is_told_with_the_reason(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, "fork", refuse)
        guard._fork_supervisor(writer)
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == EXIT_FAILED
    told = os.read(reader, PID_BYTES + 1)
    assert int.from_bytes(told, sys.byteorder, signed=True) == -errno.EAGAIN


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "no memory")])
def test_a_supervisor_that_gets_no_memory_for_a_word_still_has_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def starved(_: object) -> bool:
        raise MemoryError

    monkeypatch.setattr(guard, "say_lowered_limits", starved)
    guard._say_why(error, {})
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("sbtrace: it got no more memory while it ran: look at the limit on")
