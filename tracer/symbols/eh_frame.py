"""The unwind tables of one ELF file: from a virtual address to the rules that hold there.

Only the entries asked for are read, found through the sorted table of .eh_frame_hdr. A
static program has none: then .eh_frame is read once from end to end for the same table.
Source: Linux Standard Base 5.0, core, chapters 10.6 and 10.7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

from tracer.symbols.cursor import Cursor
from tracer.symbols.elf import PT_GNU_EH_FRAME, Elf
from tracer.symbols.rules import Budget, Rules, State
from tracer.symbols.source import MalformedError

_MAX_ENTRY_BYTES = 1 << 16
_OMIT = 0xFF
_INDIRECT = 0x80
_PC_RELATIVE, _DATA_RELATIVE = 0x10, 0x30
_DATA_RELATIVE_SDATA4 = 0x3B  # the one form that linkers write the sorted table in
_FIXED_SIZES = {0x2: 2, 0x3: 4, 0x4: 8, 0xA: -2, 0xB: -4, 0xC: -8}  # negative: signed
_TABLE_ROW = struct.Struct("<ii")
_LENGTH_AND_LINK = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class _Common:
    """A CIE: what the entries of many functions share."""

    code_align: int
    data_align: int
    return_register: int
    pointer_encoding: int
    signal_frame: bool
    has_augmentation: bool
    code: bytes


class UnwindTable:
    """Unwind rules of one file, read as they are asked for."""

    def __init__(self, elf: Elf, budget: Budget) -> None:
        self._elf = elf
        self._budget = budget
        self._word = elf.bits // 8
        self._commons: dict[int, _Common] = {}

    def rules(self, address: int) -> Rules | None:
        """The rules at a virtual address; None if the file says nothing of it.

        Raises MalformedError if what it says makes no sense.
        """
        entry = self._find(address)
        return self._decode(entry, address) if entry is not None else None

    @cached_property
    def _index(self) -> tuple[int, bytes]:
        """An address, and sorted rows (function, entry), both relative to it."""
        segment = self._elf.segment(PT_GNU_EH_FRAME)
        if segment is None:
            return self._scan()
        self._budget.spend(1 + segment.file_size // _TABLE_ROW.size // 16)
        cursor = Cursor(self._elf.source.read(segment.offset, segment.file_size))
        version, frame_form, count_form, table_form = cursor.block(4)
        if version != 1 or table_form != _DATA_RELATIVE_SDATA4:
            raise MalformedError(f".eh_frame_hdr version {version}, table form {table_form:#x}")
        self._pointer(cursor, frame_form, segment.address)
        count = self._pointer(cursor, count_form, segment.address)
        rows = cursor.data[cursor.position : cursor.position + count * _TABLE_ROW.size]
        return segment.address, rows[: len(rows) - len(rows) % _TABLE_ROW.size]

    def _scan(self) -> tuple[int, bytes]:
        section = self._elf.section(".eh_frame")
        if section is None or not section.address:
            return 0, b""
        data = self._elf.source.read(section.offset, section.size)
        rows, position = [], 0
        while position + 8 <= len(data):
            length, back = _LENGTH_AND_LINK.unpack_from(data, position)
            if length == 0:
                break  # the end mark
            if back:
                self._budget.spend(1)
                rows.append(self._row(Cursor(data, position + 8), section.address, back))
            position += 4 + length
        rows.sort()
        return section.address, b"".join(_pack_row(row) for row in rows)

    def _row(self, cursor: Cursor, base: int, back: int) -> tuple[int, int]:
        """Function and entry, relative to ``base``, of the FDE whose fields begin at ``cursor``."""
        link = cursor.position - 4
        common = self._common(base + link - back)
        return self._pointer(cursor, common.pointer_encoding, base) - base, link - 4

    def _find(self, address: int) -> int | None:
        """Address of the entry of the last function that starts at or before ``address``."""
        base, rows = self._index
        low, high = 0, len(rows) // _TABLE_ROW.size
        while low < high:
            middle = (low + high) // 2
            if base + _TABLE_ROW.unpack_from(rows, middle * _TABLE_ROW.size)[0] <= address:
                low = middle + 1
            else:
                high = middle
        if low == 0:
            return None
        return base + int(_TABLE_ROW.unpack_from(rows, (low - 1) * _TABLE_ROW.size)[1])

    def _entry(self, address: int) -> bytes:
        """The body of the CIE or FDE at ``address``, after its length."""
        length = int.from_bytes(self._elf.read_address(address, 4), "little")
        if not 4 <= length <= _MAX_ENTRY_BYTES:
            raise MalformedError(f"an unwind entry of {length} bytes")
        return self._elf.read_address(address + 4, length)

    def _decode(self, entry: int, address: int) -> Rules | None:
        cursor = Cursor(self._entry(entry))
        common = self._common(entry + 4 - cursor.unsigned(4))
        start = self._pointer(cursor, common.pointer_encoding, entry + 4)
        # The length has the same form, but is relative to nothing.
        length = self._pointer(cursor, common.pointer_encoding & 0x0F, 0)
        if not start <= address < start + length:
            return None
        if common.has_augmentation:
            cursor.block(cursor.uleb())
        state = State(common.code_align, common.data_align, location=0)
        state.run(common.code, until=0, budget=self._budget)
        state.initial, state.location = dict(state.registers), start
        state.run(cursor.data[cursor.position :], until=address, budget=self._budget)
        if state.cfa is None:
            raise MalformedError("an unwind entry gives no CFA")
        return Rules(state.cfa, state.registers, common.return_register, common.signal_frame)

    def _common(self, address: int) -> _Common:
        if address not in self._commons:
            self._budget.spend(10)
            self._commons[address] = self._decode_common(address)
        return self._commons[address]

    def _decode_common(self, address: int) -> _Common:
        cursor = Cursor(self._entry(address))
        if cursor.unsigned(4) != 0:
            raise MalformedError("an unwind entry does not lead to its common part")
        version, augmentation = cursor.unsigned(1), cursor.text()
        if version not in (1, 3) or augmentation[:1] not in (b"", b"z"):
            raise MalformedError(f"unwind entry version {version}, {augmentation!r}")
        code_align, data_align = cursor.uleb(), cursor.sleb()
        return_register = cursor.unsigned(1) if version == 1 else cursor.uleb()
        form = self._pointer_form(cursor, augmentation) if augmentation else 0
        return _Common(
            code_align=code_align,
            data_align=data_align,
            return_register=return_register,
            pointer_encoding=form,
            signal_frame=b"S" in augmentation,
            has_augmentation=bool(augmentation),
            code=cursor.data[cursor.position :],
        )

    def _pointer_form(self, cursor: Cursor, augmentation: bytes) -> int:
        """Step over the augmentation data, and return the form of addresses in it."""
        end = cursor.uleb() + cursor.position
        form = 0
        for letter in augmentation[1:].decode("latin-1"):
            if letter == "R":
                form = cursor.unsigned(1)
            elif letter == "L":
                cursor.unsigned(1)
            elif letter == "P":
                self._pointer(cursor, cursor.unsigned(1) & ~_INDIRECT, 0)
            elif letter not in "SB":
                break  # unknown: the length tells where it ends
        cursor.position = end
        return form

    def _pointer(self, cursor: Cursor, form: int, address: int) -> int:
        """Decode a pointer of the given form (DW_EH_PE_*).

        ``address`` is where the cursor's data begins, in the file's virtual addresses.
        """
        if form == _OMIT:
            return 0
        base = {0: 0, _PC_RELATIVE: address + cursor.position, _DATA_RELATIVE: address}
        if form & 0xF0 not in base:
            raise MalformedError(f"pointer form {form:#x}")
        return base[form & 0xF0] + self._number(cursor, form & 0x0F)

    def _number(self, cursor: Cursor, form: int) -> int:
        if form == 0:
            return cursor.unsigned(self._word)
        if form in (0x1, 0x9):
            return cursor.uleb() if form == 0x1 else cursor.sleb()
        size = _FIXED_SIZES.get(form)
        if size is None:
            raise MalformedError(f"number form {form:#x}")
        return cursor.unsigned(size) if size > 0 else cursor.signed(-size)


def _pack_row(row: tuple[int, int]) -> bytes:
    try:
        return _TABLE_ROW.pack(*row)
    except struct.error as error:
        raise MalformedError(f"an unwind entry out of reach: {error}") from error
