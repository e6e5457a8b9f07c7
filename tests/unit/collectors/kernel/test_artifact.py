"""A compiled program as data: kept and read back whole, and linked to maps and a kernel."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.collectors.kernel.program.artifact import (
    FORMAT,
    Artifact,
    MapShape,
    ProgramCode,
    instructions,
)

INSTRUCTION = struct.Struct("=BBhi")
LD_IMM64, ADD, MOV, EXIT = 0x18, 0x07, 0xB7, 0x95
MAP_FD = 1 << 4


def load_map(register: int, imm: int) -> bytes:
    """Two slots, as BPF_LD_MAP_FD has them (include/linux/filter.h)."""
    return INSTRUCTION.pack(LD_IMM64, register | MAP_FD, 0, imm) + INSTRUCTION.pack(0, 0, 0, 0)


def load_number(register: int, number: int) -> bytes:
    low, high = struct.unpack("=ii", struct.pack("=Q", number))
    return INSTRUCTION.pack(LD_IMM64, register, 0, low) + INSTRUCTION.pack(0, 0, 0, high)


def program(first_map: int, offset: int, inode: int, second_map: int) -> bytes:
    return (
        load_map(1, first_map)
        + INSTRUCTION.pack(ADD, 1, 0, offset)
        + load_number(3, inode)
        + load_map(2, second_map)
        + INSTRUCTION.pack(EXIT, 0, 0, 0)
    )


CODE = ProgramCode(
    program(0, 111, 222, 0),
    maps=[(0, "losses"), (5, "threads")],
    values=[(2, "OFFSET_a_b"), (3, "PIDNS_INO")],
)
ARTIFACT = Artifact(
    programs={"sys_enter": CODE, "sys_exit": ProgramCode(b"", [], [])},
    maps={"threads": MapShape(29, 4, 30_000, 0, 1), "losses": MapShape(2, 4, 8, 9, 0)},
    btf=bytes(range(256)),
    btf_types=(1, 99),
)
DESCRIPTORS = {"losses": 71, "threads": 70}
VALUES = {"OFFSET_a_b": 1904, "PIDNS_INO": 0xEFFF_FFFC}


def dumped(**changed: object) -> Any:
    """What a file holds of the artifact, but for some of it."""
    return json.loads(json.dumps({**ARTIFACT.dump(), **changed}))


def test_what_is_dumped_is_parsed_again() -> None:
    """Every byte of code and types, every gap, and the order of the maps."""
    again = Artifact.parse(dumped())
    assert again == ARTIFACT
    assert list(again.maps) == ["threads", "losses"]


def test_linking_fills_every_gap_by_its_name() -> None:
    """Descriptors of maps, a number of 32 bits, and one of 64 whose upper half stays 0."""
    linked = ARTIFACT.linked("sys_enter", DESCRIPTORS, VALUES)
    assert linked == program(71, 1904, 0xEFFF_FFFC, 70)


@given(st.integers(0, 2**64 - 1))
def test_a_wide_gap_takes_any_number(number: int) -> None:
    linked = ARTIFACT.linked("sys_enter", DESCRIPTORS, {**VALUES, "PIDNS_INO": number})
    assert linked == program(71, 1904, number, 70)


@pytest.mark.parametrize("missing", [*DESCRIPTORS, *VALUES])
def test_a_gap_that_nothing_fills_is_an_error(missing: str) -> None:
    """And no program is linked with what happened to be there."""
    maps = {name: fd for name, fd in DESCRIPTORS.items() if name != missing}
    values = {name: value for name, value in VALUES.items() if name != missing}
    with pytest.raises(KeyError, match=missing):
        ARTIFACT.linked("sys_enter", maps, values)


def test_the_upper_half_of_a_wide_number_is_no_instruction() -> None:
    """Whatever it looks like."""
    disguised = load_number(3, (LD_IMM64 | MAP_FD << 8) << 32) + INSTRUCTION.pack(MOV, 0, 0, 7)
    assert list(instructions(disguised)) == [(0, LD_IMM64, 3, 0), (2, MOV, 0, 7)]


@pytest.mark.parametrize(
    "held",
    [
        None,
        [],
        {},
        "",
        dumped(format=FORMAT + 1),
        dumped(maps={"threads": [1, 2]}),
        dumped(btf_types=[1]),
        dumped(btf="*"),
        dumped(programs=[]),
        dumped(programs={"sys_enter": ["", []]}),
        dumped(programs={"sys_enter": ["", [1], []]}),
    ],
)
def test_anything_else_is_a_value_error(held: Any) -> None:
    """Which is taken for "there is none"."""
    with pytest.raises(ValueError, match=r".*"):
        Artifact.parse(held)
