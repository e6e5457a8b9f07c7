"""From what is known of a mapped file to the file itself, never on its name alone."""

from __future__ import annotations

import os
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.symbols import vdso
from tracer.symbols.libraries import Libraries, search_folders
from tracer.symbols.objects import ElfObject, FileIdentity, identity, same_file
from tracer.symbols.source import FileSource, MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.symbols.records import Mapping
    from tracer.symbols.rules import Budget

_MAX_OPEN = 256
"""ELF files held open at a time; each costs a descriptor."""
_MAX_ANSWERS = 4096
_MAX_CLOSURE = 256
_MAX_SCRIPTS = 4
"""How deep the kernel follows ``#!`` lines (exec_binprm in fs/exec.c)."""
_OPEN_COST = 200


class Resolver:
    """Finds and keeps the ELF files of a target."""

    def __init__(self, budget: Budget, debug_root: str | None) -> None:
        self._budget = budget
        self._debug_root = debug_root
        self._libraries = Libraries()
        self._open: dict[tuple[str, int, int, int, int], ElfObject | None] = {}
        self._answers: dict[tuple[object, ...], ElfObject | None] = {}

    def mapped(self, mapping: Mapping, program: str | None) -> ElfObject | None:
        """The file of a mapping; None if it is not found, or what is found is another one."""
        if mapping.name == vdso.NAME:
            return self._vdso
        wanted = identity(mapping)
        candidates = [mapping.path] if mapping.path else []
        if program and wanted.known:
            candidates.append(program)
        return self._answer((wanted, *candidates), wanted, iter(candidates))

    def program(self, path: str, wanted: FileIdentity) -> ElfObject | None:
        """The program that execve was given ``path`` for: the file, or its ``#!`` interpreter.

        None if neither is the one ``wanted``, which tells at least ``program_text``.
        """
        # The extent of code can be that of the build before: what is there now counts.
        key = (wanted, path, _stamp(path))
        return self._answer(key, wanted, self._scripts(path))

    def with_build_id(self, build_id: str, program: str | None) -> ElfObject | None:
        """The file of that build id among the program and all it is linked with."""
        candidates = self._closure(program) if program else iter(())
        return self._answer((build_id, program), FileIdentity(build_id=build_id), candidates)

    def open(self, path: str) -> ElfObject | None:
        """The ELF file that is at ``path`` now; None if there is none that makes sense."""
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path per candidate costs more than the call
        except (OSError, ValueError):
            return None
        # A file may be replaced between two runs of a program (make builds and runs it).
        key = (path, status.st_ino, status.st_dev, status.st_mtime_ns, status.st_size)
        if key not in self._open:
            if len(self._open) >= _MAX_OPEN:
                del self._open[next(iter(self._open))]
            self._open[key] = self._open_new(path)
        return self._open[key]

    def _open_new(self, path: str) -> ElfObject | None:
        try:
            self._budget.spend(_OPEN_COST)
            source = FileSource(path)
            return ElfObject(
                path, source, self._budget, status=source.status, debug_root=self._debug_root
            )
        except (OSError, MalformedError):
            return None

    def _answer(
        self, key: tuple[object, ...], wanted: FileIdentity, candidates: Iterator[str]
    ) -> ElfObject | None:
        if key not in self._answers:
            if len(self._answers) >= _MAX_ANSWERS:
                self._answers.clear()
            found = (self._verified(path, wanted) for path in candidates)
            self._answers[key] = next((item for item in found if item is not None), None)
        return self._answers[key]

    def _verified(self, path: str, wanted: FileIdentity) -> ElfObject | None:
        """The file at ``path`` if it is the one wanted."""
        if wanted.build_id is None and wanted.known and not _is_there(path, wanted):
            return None  # spares opening what cannot be it
        found = self.open(path)
        return found if found is not None and found.is_what(wanted) else None

    @cached_property
    def _vdso(self) -> ElfObject | None:
        try:
            return ElfObject(vdso.NAME, vdso.load(), self._budget)
        except MalformedError:
            return None

    def _scripts(self, path: str) -> Iterator[str]:
        """``path``, and the interpreters that its ``#!`` line leads to."""
        for _ in range(_MAX_SCRIPTS + 1):
            yield path
            try:
                line = FileSource(path).read_up_to(0, 256).split(b"\n", 1)[0]
            except (OSError, MalformedError):
                return
            words = line[2:].split()
            if line[:2] != b"#!" or not words:
                return
            path = os.fsdecode(words[0])

    def _closure(self, program: str) -> Iterator[str]:
        """The program, its interpreter, and the libraries that they name, breadth first."""
        queue = deque(self._scripts(program))
        seen = set(queue)
        while queue and len(seen) < _MAX_CLOSURE * 16:
            path = queue.popleft()
            yield path
            for found in self._linked(path, program):
                if found not in seen:
                    seen.add(found)
                    queue.append(found)

    def _linked(self, path: str, program: str) -> Iterator[str]:
        """Existing paths that the file at ``path`` names as interpreter or library."""
        loaded = self.open(path)
        if loaded is None:
            return
        needs = loaded.elf.needs
        if needs.interpreter:
            yield os.path.realpath(needs.interpreter)
        first = self.open(program)
        folders = [
            *search_folders(needs, path),
            *(search_folders(first.elf.needs, program) if first else ()),
        ]
        for name in needs.libraries:
            paths = [f"{folder}/{name}" for folder in folders]
            paths += self._libraries.in_default_folders(name)
            paths += self._libraries.in_cache(name)
            # A soname is most often a link: what /proc/PID/maps would show is the file.
            yield from (os.path.realpath(found) for found in paths if Path(found).exists())


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - as above
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_mtime_ns


def _is_there(path: str, wanted: FileIdentity) -> bool:
    try:
        return same_file(os.stat(path), wanted)  # noqa: PTH116 - as above
    except (OSError, ValueError):
        return False
