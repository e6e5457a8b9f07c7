"""A compiled program as plain data: what can be kept on disk and loaded without a compiler."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_INSTRUCTION = struct.Struct("=BBhi")
_LD_IMM64 = 0x18
_PSEUDO_MAP_FD = 1
FORMAT = 1


class MapShape(NamedTuple):
    """The definition of one map."""

    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


class Artifact(NamedTuple):
    """Programs, maps and type information, tied by names instead of descriptors."""

    programs: dict[str, bytes]
    """Instructions; where one loads a map, its ``imm`` is an index into ``maps``."""
    maps: dict[str, MapShape]
    btf: bytes
    """Type information of the task-storage map, which the kernel insists on."""
    btf_types: tuple[int, int]
    """Its key and value type in ``btf``."""
    iterator_btf_id: int

    def linked(self, name: str, descriptors: dict[str, int]) -> bytes:
        """Return a program's instructions with the descriptors of loaded maps in them."""
        by_index = [descriptors[map_name] for map_name in self.maps]
        return rewrite_maps(self.programs[name], lambda index: by_index[index])

    def dump(self) -> bytes:
        """Return the artifact as bytes for ``parse``."""
        return json.dumps(
            {
                "format": FORMAT,
                "programs": {name: _text(code) for name, code in self.programs.items()},
                "maps": {
                    name: [m.kind, m.key_bytes, m.value_bytes, m.entries, m.flags]
                    for name, m in self.maps.items()
                },
                "btf": _text(self.btf),
                "btf_types": self.btf_types,
                "iterator_btf_id": self.iterator_btf_id,
            }
        ).encode()

    @classmethod
    def parse(cls, data: bytes) -> Artifact:
        """Read what ``dump`` wrote. Raises ValueError for anything else."""
        try:
            held = json.loads(data)
            if held["format"] != FORMAT:
                raise ValueError("another format")
            key_type, value_type = held["btf_types"]
            return cls(
                programs={n: _bytes(code) for n, code in held["programs"].items()},
                maps={name: MapShape(*shape) for name, shape in held["maps"].items()},
                btf=_bytes(held["btf"]),
                btf_types=(key_type, value_type),
                iterator_btf_id=held["iterator_btf_id"],
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not an artifact: {error}") from error


def rewrite_maps(code: bytes, change: Callable[[int], int]) -> bytes:
    """Return instructions with ``change`` applied to every reference to a map."""
    out = bytearray(code)
    at = 0
    while at < len(out):
        opcode, registers, offset, imm = _INSTRUCTION.unpack_from(out, at)
        if opcode == _LD_IMM64:
            if registers >> 4 == _PSEUDO_MAP_FD:
                _INSTRUCTION.pack_into(out, at, opcode, registers, offset, change(imm))
            at += _INSTRUCTION.size  # its second half is no instruction
        at += _INSTRUCTION.size
    return bytes(out)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
