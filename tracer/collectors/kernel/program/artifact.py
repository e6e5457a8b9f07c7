"""A compiled program as plain data: what can be kept on disk and loaded without a compiler.

It is of no kernel: where an instruction needs what only the running one can say, a field's
offset or a map's descriptor, its number is a gap with a name, filled when it is linked.
"""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INSTRUCTION = struct.Struct("=BBhi")
"""struct bpf_insn, include/uapi/linux/bpf.h: opcode, registers, offset, number."""
_NUMBER = struct.Struct("=i")
_NUMBER_AT = 4
LD_IMM64 = 0x18
"""Takes two instructions: the number of the second one is the upper half."""
ADD = 0x07
PSEUDO_MAP_FD = 1
FORMAT = 2

Gaps = list[tuple[int, str]]
"""The number of an instruction, and the name of what has to be in it."""


class MapShape(NamedTuple):
    """The definition of one map."""

    kind: int
    key_bytes: int
    value_bytes: int
    entries: int
    flags: int


class ProgramCode(NamedTuple):
    """One program: its instructions, and where they have gaps."""

    instructions: bytes
    maps: Gaps
    values: Gaps


class Artifact(NamedTuple):
    """Programs, maps and type information, tied by names."""

    programs: dict[str, ProgramCode]
    maps: dict[str, MapShape]
    btf: bytes
    """Type information of the task-storage map, which the kernel insists on."""
    btf_types: tuple[int, int]
    """Its key and value type in ``btf``."""

    def linked(self, name: str, descriptors: Mapping[str, int], values: Mapping[str, int]) -> bytes:
        """Return a program's instructions without gaps. KeyError for one that nothing fills."""
        code = self.programs[name]
        linked = bytearray(code.instructions)
        for at, wanted in code.maps:
            _NUMBER.pack_into(linked, at * INSTRUCTION.size + _NUMBER_AT, descriptors[wanted])
        for at, wanted in code.values:
            _fill(linked, at * INSTRUCTION.size, values[wanted])
        return bytes(linked)

    def dump(self) -> dict[str, object]:
        """Return the artifact as JSON can hold it, for ``parse``."""
        return {
            "format": FORMAT,
            "programs": {
                name: [_text(code.instructions), code.maps, code.values]
                for name, code in self.programs.items()
            },
            "maps": self.maps,
            "btf": _text(self.btf),
            "btf_types": self.btf_types,
        }

    @classmethod
    def parse(cls, held: Any) -> Artifact:  # noqa: ANN401 - whatever a file may hold
        """Take what ``dump`` gave. Raises ValueError for anything else."""
        try:
            if held["format"] != FORMAT:
                raise ValueError("another format")
            key_type, value_type = held["btf_types"]
            return cls(
                programs={name: _code(*fields) for name, fields in held["programs"].items()},
                maps={name: MapShape(*shape) for name, shape in held["maps"].items()},
                btf=a2b_base64(held["btf"], strict_mode=True),
                btf_types=(key_type, value_type),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"not an artifact: {error}") from error


def instructions(code: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, opcode, registers, value) of each instruction; a wide one is one."""
    wide = False
    for at, (opcode, registers, _, value) in enumerate(INSTRUCTION.iter_unpack(code)):
        if not wide:
            yield at, opcode, registers, value
        wide = not wide and opcode == LD_IMM64


def _fill(code: bytearray, at: int, value: int) -> None:
    """Put a value into one instruction; into both halves of a wide one."""
    if code[at] == LD_IMM64:
        low, high = struct.unpack("=ii", struct.pack("=Q", value))
        _NUMBER.pack_into(code, at + INSTRUCTION.size + _NUMBER_AT, high)
    else:
        low = value
    _NUMBER.pack_into(code, at + _NUMBER_AT, low)


def _code(text: str, maps: Gaps, values: Gaps) -> ProgramCode:
    return ProgramCode(
        a2b_base64(text, strict_mode=True),
        [(at, name) for at, name in maps],
        [(at, name) for at, name in values],
    )


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
