"""One ELF file as naming needs it: identity, unwind rules, function names, each cached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tracer.symbols import functions
from tracer.symbols.eh_frame import UnwindTable
from tracer.symbols.elf import Elf
from tracer.symbols.records import BUILD_ID_SIZE, Mapping
from tracer.symbols.source import FileSource, MalformedError, Source

if TYPE_CHECKING:
    import os

    from tracer.symbols.functions import Function
    from tracer.symbols.rules import Budget, Rules

_MAX_CACHED = 1 << 16
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What is known of a mapped file, to be held against a file that is found."""

    inode: int | None = None
    device: int | None = None
    build_id: str | None = None
    mapped: tuple[int, int, int] | None = None
    """Start, end and file offset of an executable mapping."""
    program_text: tuple[int, int] | None = None
    """``mm->start_code`` and ``mm->end_code`` of the program."""

    @property
    def known(self) -> bool:
        """True if it says which file, and not only how large its code is."""
        return self.build_id is not None or None not in (self.inode, self.device)


class ElfObject:
    """An ELF file, open as long as this object lives."""

    def __init__(
        self,
        path: str,
        source: Source,
        budget: Budget,
        *,
        status: os.stat_result | None = None,
        debug_root: str | None = None,
    ) -> None:
        """Raise MalformedError if ``source`` is no ELF file."""
        self.path = path
        self.elf = Elf(source)
        self.status = status
        self._budget = budget
        self._debug_root = debug_root
        self._unwind = UnwindTable(self.elf, budget)
        self._rules: dict[int, Rules | None] = {}
        self._functions: dict[int, Function | None] = {}

    def rules(self, address: int) -> Rules | None:
        """Unwind rules at a virtual address; None if there are none that make sense."""
        if address not in self._rules:
            _limit(self._rules)
            try:
                self._rules[address] = self._unwind.rules(address)
            except MalformedError:
                self._rules[address] = None
        return self._rules[address]

    def function(self, address: int) -> Function | None:
        """The function that holds a virtual address; None if no symbol does."""
        if address not in self._functions:
            _limit(self._functions)
            self._functions[address] = self._find_function(address)
        return self._functions[address]

    def _find_function(self, address: int) -> Function | None:
        for table in self._symbol_tables:
            try:
                found = table.find(address)
            except MalformedError:
                continue
            if found is not None:
                return found
        return None

    @cached_property
    def _symbol_tables(self) -> list[functions.FunctionTable]:
        own = functions.tables(self.elf, self._budget)
        if functions.has_own_symbols(self.elf):
            return own
        debug = self._debug_file()
        return own if debug is None else functions.tables(debug, self._budget) + own

    def _debug_file(self) -> Elf | None:
        if self._debug_root is None or self.elf.build_id is None:
            return None
        path = debug_path(self._debug_root, self.elf.build_id)
        try:
            elf = Elf(FileSource(path))
        except (OSError, MalformedError):
            return None
        return elf if elf.build_id == self.elf.build_id else None

    def is_what(self, wanted: FileIdentity) -> bool:
        """True if this is the file that ``wanted`` was seen of.

        A build id decides where one is known, else inode and device, else (for a path that
        the kernel gave) the exact extent of the code. The program's must fit in any case:
        a file that was written anew in place keeps its inode.
        """
        if wanted.program_text is not None and not self._has_text(*wanted.program_text):
            return False
        if wanted.build_id is not None:
            return same_build_id(self.elf.build_id, wanted.build_id)
        if wanted.inode is not None and wanted.device is not None:
            return self.status is not None and same_file(self.status, wanted)
        if wanted.program_text is not None:
            return True
        return wanted.mapped is not None and self._has_segment(*wanted.mapped)

    def _has_text(self, start: int, end: int) -> bool:
        """True if executable bytes could lie at [start, end), exact to the byte."""
        own = self.elf.text
        return own is not None and end - start == own[1] - own[0] and (start - own[0]) % _PAGE == 0

    def _has_segment(self, start: int, end: int, file_offset: int) -> bool:
        """True if the pages of an executable segment are those mapped at [start, end)."""
        for segment in self.elf.segments:
            first = segment.offset - segment.offset % _PAGE
            pages = -(-(segment.offset + segment.file_size - first) // _PAGE)
            if segment.executable and (first, pages * _PAGE) == (file_offset, end - start):
                return True
        return False


def _limit(cache: dict[int, Rules | None] | dict[int, Function | None]) -> None:
    if len(cache) >= _MAX_CACHED:
        cache.clear()


def same_file(status: os.stat_result, wanted: FileIdentity) -> bool:
    """True if inode and device are those wanted."""
    return (status.st_ino, status.st_dev) == (wanted.inode, wanted.device)


def same_build_id(own: str | None, wanted: str) -> bool:
    """True if two build ids are one; the kernel pads and cuts them to 20 bytes."""
    digits = 2 * BUILD_ID_SIZE
    return own is not None and own.ljust(digits, "0")[:digits] == wanted.ljust(digits, "0")[:digits]


def debug_path(root: str, build_id: str) -> str:
    """Where distributions install the separate debug file of a build id."""
    return f"{root}/.build-id/{build_id[:2]}/{build_id[2:]}.debug"


def identity(mapping: Mapping) -> FileIdentity:
    """What a mapping tells of its file."""
    mapped = (mapping.start, mapping.end, mapping.file_offset)
    return FileIdentity(mapping.inode, mapping.device, mapping.build_id, mapped)
