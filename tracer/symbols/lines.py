"""Source lines of frames, for objects that carry DWARF or have a separate debug file.

pyelftools reads the DWARF, in a process of its own with limits on time and memory: it
follows the counts of the file, and the file is the target's (a line table that claims
2**60 file names of no bytes each never ends).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.symbols.elf import Elf
from tracer.symbols.objects import debug_path, same_build_id
from tracer.symbols.source import FileSource, MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.model import Frame

_DEBUG_ROOT = "/usr/lib/debug"
_READER = Path(__file__).with_name("line_reader.py")
_SECONDS = 10


def source_line(frame: Frame) -> str | None:
    """``file:line`` of the call that ``frame`` is at; None if it is not known.

    Needs the object as it was: a file whose build id is not the frame's (or a frame without
    one) gives None. Never raises for what is in the file.
    """
    return source_lines((frame,))[0]


def source_lines(frames: Sequence[Frame]) -> tuple[str | None, ...]:
    """``source_line`` of each of ``frames``, with one look into each object."""
    wanted: dict[tuple[str, str], set[int]] = {}
    for frame in frames:
        if frame.object is not None and frame.build_id is not None and frame.offset:
            wanted.setdefault((frame.object, frame.build_id), set()).add(frame.offset)
    found = {key: _look_up(*key, sorted(offsets)) for key, offsets in wanted.items()}
    return tuple(
        found.get((frame.object or "", frame.build_id or ""), {}).get(frame.offset or 0)
        for frame in frames
    )


def _look_up(path: str, build_id: str, offsets: list[int]) -> dict[int, str]:
    source = _with_lines(path, build_id)
    if source is None:
        return {}
    # An address that a call returns to may already belong to the next line.
    answers = _ask_reader(source, [offset - 1 for offset in offsets])
    return {o: line for o, line in zip(offsets, answers, strict=False) if line is not None}


def _with_lines(path: str, build_id: str) -> FileSource | None:
    """The object, or its separate debug file, if it has line numbers."""
    for candidate in (path, debug_path(_DEBUG_ROOT, build_id)):
        try:
            source = FileSource(candidate)
            elf = Elf(source)
        except (OSError, MalformedError):
            continue
        if same_build_id(elf.build_id, build_id) and elf.section(".debug_line"):
            return source
    return None


def _ask_reader(source: FileSource, addresses: list[int]) -> list[str | None]:
    command = [sys.executable, "-I", str(_READER), *map(str, addresses)]
    try:
        with source.stream() as stream:
            done = subprocess.run(
                command,
                stdin=stream,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                env={},
                check=True,
            )
        answers = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [str(answer) if answer is not None else None for answer in answers]
