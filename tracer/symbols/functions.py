"""Which function holds an address, from an ELF file's symbol tables."""

from __future__ import annotations

import struct
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from tracer.symbols.elf import SHT_DYNSYM, SHT_SYMTAB, Elf, Section
from tracer.symbols.source import MAX_READ_BYTES, MalformedError

if TYPE_CHECKING:
    from tracer.symbols.rules import Budget

_SYMBOL = {32: struct.Struct("<IIIBBH"), 64: struct.Struct("<IBBHQQ")}
# Positions of st_name, st_info, st_shndx, st_value, st_size in either layout.
_FIELDS = {32: (0, 3, 5, 1, 2), 64: (0, 1, 3, 4, 5)}
_CODE_TYPES = frozenset((0, 2, 10))  # STT_NOTYPE (assembly), STT_FUNC, STT_GNU_IFUNC
_STB_LOCAL, _STB_GLOBAL = 0, 1
_MAX_OVERLAP = 64
"""Symbols before an address that are looked at for one that reaches up to it."""
_INDEX_BITS = 32


class Function(NamedTuple):
    """A function of a file."""

    name: str
    start: int
    """Virtual address of its first byte."""


class FunctionTable:
    """One symbol table, sorted on first use."""

    def __init__(self, elf: Elf, table: Section, budget: Budget) -> None:
        self._elf = elf
        self._table = table
        self._budget = budget

    def find(self, address: int) -> Function | None:
        """The innermost function whose [value, value + size) holds ``address``.

        None if there is none. Raises MalformedError if the table makes no sense.
        """
        keys = self._sorted
        position = bisect_right(keys, (address + 1) << _INDEX_BITS)
        best: tuple[tuple[int, int, str], Function] | None = None
        for key in reversed(keys[max(0, position - _MAX_OVERLAP) : position]):
            start, index = key >> _INDEX_BITS, key & ((1 << _INDEX_BITS) - 1)
            if best and start != best[1].start:
                break
            name_at, info, _, _, size = self._fields(index)
            if not start <= address < start + size:
                continue
            name = self._name(name_at)
            found = (_rank(name, info >> 4), Function(name, start))
            if name and (best is None or found < best):
                best = found
        return best[1] if best else None

    @cached_property
    def _data(self) -> bytes:
        layout = _SYMBOL[self._elf.bits]
        if self._table.size > MAX_READ_BYTES:
            return b""
        count = self._table.size // layout.size
        self._budget.spend(count)
        return self._elf.source.read(self._table.offset, count * layout.size)

    @cached_property
    def _sorted(self) -> list[int]:
        """``value << 32 | index`` of each symbol of code: one number each, so small and quick."""
        layout = _SYMBOL[self._elf.bits]
        _, info, place, value, size = _FIELDS[self._elf.bits]
        return sorted(
            (row[value] << _INDEX_BITS) | index
            for index, row in enumerate(layout.iter_unpack(self._data))
            if row[info] & 0xF in _CODE_TYPES and row[place] and row[size]
        )

    def _fields(self, index: int) -> tuple[int, ...]:
        layout = _SYMBOL[self._elf.bits]
        row = layout.unpack_from(self._data, index * layout.size)
        return tuple(row[position] for position in _FIELDS[self._elf.bits])

    def _name(self, offset: int) -> str:
        sections = self._elf.sections
        if self._table.link >= len(sections):
            raise MalformedError("a symbol table without names")
        name = self._elf.text_in_file(sections[self._table.link].offset + offset)
        return name.split("@", 1)[0]


def _rank(name: str, binding: int) -> tuple[int, int, str]:
    """Order among the names of one function: the one that its callers wrote comes first.

    ``fork`` before ``__libc_fork``, ``__read`` before ``__GI___read`` (glibc's names for its
    own calls); a mangled C++ name counts as plain. Then global before weak before local,
    then by the alphabet.
    """
    plain = 0 if name.startswith("_Z") else len(name) - len(name.lstrip("_"))
    if name.startswith("__GI_"):
        plain += len("__GI_")
    strength = {_STB_GLOBAL: 0, _STB_LOCAL: 2}.get(binding, 1)
    return plain, strength, name


def tables(elf: Elf, budget: Budget) -> list[FunctionTable]:
    """The file's symbol tables, the fullest first (.symtab, then .dynsym)."""
    found = [s for s in elf.sections if s.kind in (SHT_SYMTAB, SHT_DYNSYM) and s.size]
    found.sort(key=lambda section: section.kind != SHT_SYMTAB)
    return [FunctionTable(elf, section, budget) for section in found[:2]]


def has_own_symbols(elf: Elf) -> bool:
    """True if the file was not stripped."""
    return any(s.kind == SHT_SYMTAB and s.size for s in elf.sections)
