"""The structure of an ELF file: segments, sections, build id, what it needs.

Format: elf(5). pyelftools is not used. It follows the counts and links that a file claims
without bound, and the files are the target's. It takes 70 ms for the symbols of libc and 340 ms
for its unwind tables, while a stack needs a dozen entries.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from tracer.symbols.cursor import unpack
from tracer.symbols.source import MalformedError, Source

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_EH_FRAME = 1, 2, 3, 4, 0x6474E550
SHT_SYMTAB, SHT_DYNSYM = 2, 11
_PF_X = 1
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_NT_GNU_BUILD_ID = 3

_MAX_SEGMENTS = 1024
_MAX_SECTIONS = 16384
_MAX_NAME_TABLE = 1 << 20
_MAX_NOTE_BYTES = 1 << 16
_MAX_DYNAMIC_BYTES = 1 << 16
_MAX_NEEDED = 256
_MAX_TEXT = 1024
"""Longest name kept, bytes; a C++ symbol may be longer and is cut."""
_PAGE = 4096

_HEADER = {32: struct.Struct("<HHIIIIIHHHHHH"), 64: struct.Struct("<HHIQQQIHHHHHH")}
_SEGMENT = {32: struct.Struct("<8I"), 64: struct.Struct("<IIQQQQQQ")}
_SECTION = {32: struct.Struct("<10I"), 64: struct.Struct("<IIQQQQIIQQ")}


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header."""

    kind: int
    executable: bool
    offset: int
    address: int
    file_size: int

    def has_address(self, address: int) -> bool:
        """True if the file holds the byte at virtual address ``address``."""
        return self.address <= address < self.address + self.file_size


@dataclass(frozen=True, slots=True)
class Section:
    """A section header."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What the dynamic linker reads of a file."""

    libraries: tuple[str, ...]
    """DT_NEEDED."""
    search_path: tuple[str, ...]
    """DT_RUNPATH, else DT_RPATH; ``$ORIGIN`` not yet replaced."""
    interpreter: str | None
    """PT_INTERP."""


class Elf:
    """A little-endian ELF file of 32 or 64 bits; its headers are read on construction."""

    def __init__(self, source: Source) -> None:
        """Raise MalformedError if the headers make no sense."""
        self.source = source
        ident = source.read(0, 16)
        if ident[:4] != b"\x7fELF" or ident[4] not in (1, 2) or ident[5] != 1:
            raise MalformedError("no little-endian ELF file")
        self.bits = 32 * ident[4]
        header = _HEADER[self.bits]
        fields = unpack(header, source.read(16, header.size))
        self.machine = fields[1]
        self._section_table, self._section_count, self._names_index = fields[5], *fields[11:13]
        self.segments = self._read_segments(offset=fields[4], count=fields[9])

    def _read_segments(self, offset: int, count: int) -> tuple[Segment, ...]:
        layout = _SEGMENT[self.bits]
        if count > _MAX_SEGMENTS:
            raise MalformedError(f"{count} program headers")
        raw = layout.iter_unpack(self.source.read(offset, count * layout.size))
        if self.bits == 64:
            return tuple(Segment(f[0], bool(f[1] & _PF_X), f[2], f[3], f[5]) for f in raw)
        return tuple(Segment(f[0], bool(f[6] & _PF_X), f[1], f[2], f[4]) for f in raw)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """Section headers; none if the file has none or they make no sense."""
        try:
            return self._read_sections()
        except MalformedError:
            return ()

    def _read_sections(self) -> tuple[Section, ...]:
        layout = _SECTION[self.bits]
        if not 0 < self._section_count <= _MAX_SECTIONS:
            return ()
        data = self.source.read(self._section_table, self._section_count * layout.size)
        rows = list(layout.iter_unpack(data))
        if self._names_index >= len(rows):
            return ()
        offset, size = rows[self._names_index][4:6]
        names = self.source.read_up_to(offset, min(size, _MAX_NAME_TABLE))
        return tuple(Section(text_at(names, r[0]), r[1], r[3], r[4], r[5], r[6]) for r in rows)

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        return next((s for s in self.sections if s.name == name), None)

    def segment(self, kind: int) -> Segment | None:
        """The first program header of that kind."""
        return next((s for s in self.segments if s.kind == kind), None)

    @cached_property
    def text(self) -> tuple[int, int] | None:
        """Virtual addresses [start, end) that executable segments span, as the kernel's
        ``start_code`` and ``end_code`` do; None if nothing is executable."""
        loads = [s for s in self.segments if s.kind == PT_LOAD and s.executable]
        if not loads:
            return None
        return min(s.address for s in loads), max(s.address + s.file_size for s in loads)

    def address_of_offset(self, offset: int) -> int | None:
        """Virtual address of the executable byte at file offset ``offset``."""
        for segment in self.segments:
            if segment.kind == PT_LOAD and segment.executable:
                # The mapping holds whole pages, so also what precedes the segment in its page.
                begin = segment.offset - segment.offset % _PAGE
                if begin <= offset < segment.offset + segment.file_size:
                    return offset - segment.offset + segment.address
        return None

    def offset_of_address(self, address: int) -> int:
        """File offset of virtual address ``address``; MalformedError if the file has it not."""
        for segment in self.segments:
            if segment.kind == PT_LOAD and segment.has_address(address):
                return address - segment.address + segment.offset
        raise MalformedError(f"no segment holds {address:#x}")

    def read_address(self, address: int, length: int) -> bytes:
        """Bytes at a virtual address, as the file has them (before relocation)."""
        return self.source.read(self.offset_of_address(address), length)

    @cached_property
    def build_id(self) -> str | None:
        """The GNU build id, hex; None if the file has none."""
        spans = [(s.offset, s.file_size) for s in self.segments if s.kind == PT_NOTE]
        # A separate debug file keeps program headers of the file that it was cut from:
        # there only the section is right.
        spans += [(s.offset, s.size) for s in self.sections if s.name == ".note.gnu.build-id"]
        for offset, size in spans[:16]:
            try:
                notes = self.source.read(offset, min(size, _MAX_NOTE_BYTES))
            except MalformedError:
                continue
            if found := _build_id_note(notes):
                return found
        return None

    @cached_property
    def needs(self) -> Needs:
        """Libraries, search path and interpreter; empty where there are none."""
        try:
            libraries, search_path = self._read_dynamic()
        except MalformedError:
            libraries, search_path = (), ()
        return Needs(libraries, search_path, self._interpreter())

    def _interpreter(self) -> str | None:
        segment = self.segment(PT_INTERP)
        if segment is None:
            return None
        try:
            return text_at(self.source.read_up_to(segment.offset, _MAX_TEXT), 0) or None
        except MalformedError:
            return None

    def _read_dynamic(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        segment = self.segment(PT_DYNAMIC)
        if segment is None:
            return (), ()
        pair = struct.Struct("<QQ" if self.bits == 64 else "<II")
        size = min(segment.file_size, _MAX_DYNAMIC_BYTES)
        data = self.source.read(segment.offset, size - size % pair.size)
        tags = [(tag, value) for tag, value in pair.iter_unpack(data) if tag]
        texts = next((value for tag, value in tags if tag == _DT_STRTAB), 0)
        base = self.offset_of_address(texts)
        needed = [value for tag, value in tags if tag == _DT_NEEDED][:_MAX_NEEDED]
        paths = [v for t, v in tags if t == _DT_RUNPATH] or [v for t, v in tags if t == _DT_RPATH]
        folders = [
            folder for value in paths[:1] for folder in self.text_in_file(base + value).split(":")
        ]
        libraries = tuple(self.text_in_file(base + value) for value in needed)
        return libraries, tuple(folder for folder in folders if folder)

    def text_in_file(self, offset: int) -> str:
        """The null-terminated text at a file offset, cut at 1024 bytes."""
        return text_at(self.source.read_up_to(offset, _MAX_TEXT), 0)


def text_at(data: bytes, offset: int) -> str:
    """The null-terminated text at ``offset``; what is not UTF-8 becomes surrogate escapes."""
    end = data.find(b"\0", offset)
    end = min(end if end >= 0 else len(data), offset + _MAX_TEXT)
    return data[offset:end].decode("utf-8", "surrogateescape")


def _build_id_note(notes: bytes) -> str | None:
    position = 0
    while position + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, position)
        name_at = position + 12
        data_at = name_at + (name_size + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[name_at : name_at + name_size] == b"GNU\0":
            found = notes[data_at : data_at + size]
            return found.hex() if 0 < len(found) == size <= 64 else None
        position = data_at + (size + 3 & ~3)
    return None
