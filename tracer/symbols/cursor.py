"""Decoding of DWARF's numbers from a run of bytes, every step checked."""

from __future__ import annotations

import struct

from tracer.symbols.source import MalformedError

_MAX_LEB_BYTES = 10  # 64 bits, 7 a byte


class Cursor:
    """A position in ``data``; each method decodes there and steps on, or raises MalformedError."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def more(self) -> bool:
        """True while bytes are left."""
        return 0 <= self.position < len(self.data)

    def unsigned(self, size: int) -> int:
        """A little-endian number of ``size`` bytes."""
        return int.from_bytes(self.block(size), "little")

    def signed(self, size: int) -> int:
        """A little-endian two's complement number of ``size`` bytes."""
        return int.from_bytes(self.block(size), "little", signed=True)

    def block(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.position + size
        if size < 0 or self.position < 0 or end > len(self.data):
            raise MalformedError("bytes end early")
        start, self.position = self.position, end
        return self.data[start:end]

    def uleb(self) -> int:
        """An unsigned LEB128 number."""
        return self._leb()[0]

    def sleb(self) -> int:
        """A signed LEB128 number."""
        value, bits = self._leb()
        return value - (1 << bits) if value >> (bits - 1) else value

    def _leb(self) -> tuple[int, int]:
        value = 0
        for count in range(_MAX_LEB_BYTES):
            byte = self.unsigned(1)
            value |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:
                return value, 7 * count + 7
        raise MalformedError("LEB128 number too long")

    def text(self) -> bytes:
        """Bytes up to a null byte, which is stepped over."""
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise MalformedError("text without end")
        text = self.data[self.position : end]
        self.position = end + 1
        return text


def unpack(layout: struct.Struct, data: bytes) -> tuple[int, ...]:
    """``layout.unpack``, raising MalformedError where ``data`` is too short."""
    try:
        return layout.unpack_from(data)
    except struct.error as error:
        raise MalformedError(str(error)) from error
