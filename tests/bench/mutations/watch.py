"""Notes which lines of tracer/ a process runs: a byte each, in a file that is mapped.

Each Python of the ground reads this at its start, so it imports next to nothing. A mapping costs
no call: it works within the filter too, follows each fork, and outlives any death.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from types import FrameType

INDEX, NOW = "index", "now"


class _Noted:
    marks: Any = bytearray()
    tracers: ClassVar[dict[str, Any]] = {}


def begin(folder: str) -> None:
    """Note from now on, if the folder has an index of lines and a file to note in."""
    try:
        with open(f"{folder}/{INDEX}") as file:  # noqa: PTH123 - pathlib is an import
            words = [line.split(" ", 1) for line in file.read().splitlines()]
        attach(f"{folder}/{NOW}")
    except OSError:
        return
    _Noted.tracers = {path: _tracer(int(base)) for base, path in words}
    sys.settrace(called)


def attach(path: str) -> None:
    """Note in another file."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        _Noted.marks = mmap.mmap(descriptor, 0)
    finally:
        os.close(descriptor)


def called(frame: FrameType, event: str, arg: object) -> Any:
    """What Python asks at each call: how to trace it."""
    tracer = _Noted.tracers.get(frame.f_code.co_filename)
    return None if tracer is None else tracer(frame, event, arg)


def _tracer(base: int) -> Any:
    def tracer(frame: FrameType, event: str, arg: object) -> Any:
        _Noted.marks[base + frame.f_lineno] = 1
        return tracer

    return tracer
