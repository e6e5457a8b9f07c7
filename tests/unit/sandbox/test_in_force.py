"""Filters that a process has, as the kernel gives them out one by one."""

from __future__ import annotations

import ctypes
import errno

import pytest

from tracer import linux
from tracer.errors import FilterError
from tracer.sandbox import in_force

COUNTS = (3, 5)


def test_every_filter_is_read_until_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_request: int, _pid: int, number: int, _room: int) -> int:
        if number == len(COUNTS):
            raise OSError(errno.ENOENT, "no more")
        return COUNTS[number]

    monkeypatch.setattr(linux, "ptrace", answer)
    assert [len(code) for code in in_force._each(7)] == [8 * count for count in COUNTS]


def test_filters_that_may_not_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        raise PermissionError(errno.EACCES, "not allowed")

    monkeypatch.setattr(linux, "ptrace", refuse)
    with pytest.raises(FilterError, match="the filters of process 7 cannot be read"):
        in_force._get(7, 0, ctypes.create_string_buffer(8))
