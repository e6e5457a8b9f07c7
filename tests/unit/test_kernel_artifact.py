"""A compiled program as data: kept and read back whole, and linked to maps that are loaded."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.collectors.kernel.artifact import FORMAT, Artifact, MapShape, rewrite_maps

INSTRUCTION = struct.Struct("=BBhi")
LD_IMM64, MOV, EXIT = 0x18, 0xB7, 0x95
MAP_FD = 1 << 4


def load_map(register: int, imm: int) -> bytes:
    """Two slots, as BPF_LD_MAP_FD has them (include/linux/filter.h)."""
    return INSTRUCTION.pack(LD_IMM64, register | MAP_FD, 0, imm) + INSTRUCTION.pack(0, 0, 0, 0)


def load_number(register: int, number: int) -> bytes:
    low, high = struct.unpack("=ii", struct.pack("=q", number))
    return INSTRUCTION.pack(LD_IMM64, register, 0, low) + INSTRUCTION.pack(0, 0, 0, high)


CODE = load_map(1, 1) + INSTRUCTION.pack(MOV, 0, 0, 1) + load_map(2, 0) + b"\x95" + bytes(7)
ARTIFACT = Artifact(
    programs={"sys_enter": CODE, "sys_exit": b""},
    maps={"threads": MapShape(29, 4, 30_000, 0, 1), "losses": MapShape(2, 4, 8, 9, 0)},
    btf=bytes(range(256)),
    btf_types=(1, 99),
    iterator_btf_id=12345,
)


def test_what_is_dumped_is_parsed_again() -> None:
    """Every byte of code and types, and the order of the maps, which the code counts on."""
    again = Artifact.parse(ARTIFACT.dump())
    assert again == ARTIFACT
    assert list(again.maps) == ["threads", "losses"]


def test_linking_puts_descriptors_in_place_of_indices() -> None:
    """By the name that each index stands for."""
    linked = ARTIFACT.linked("sys_enter", {"losses": 71, "threads": 70})
    assert linked == (
        load_map(1, 71) + INSTRUCTION.pack(MOV, 0, 0, 1) + load_map(2, 70) + b"\x95" + bytes(7)
    )


def test_only_map_references_are_rewritten() -> None:
    """A wide constant is none, nor is what its second half happens to look like."""
    disguised = load_number(3, (LD_IMM64 | MAP_FD << 8) << 32) + INSTRUCTION.pack(EXIT, 0, 0, 0)
    assert rewrite_maps(disguised, lambda _: 99) == disguised


@given(st.lists(st.integers(0, 2**31 - 1), max_size=9))
def test_rewriting_there_and_back_changes_nothing(numbers: list[int]) -> None:
    """As it is done from descriptors to indices when a program is kept."""
    code = b"".join(load_map(i % 10, number) for i, number in enumerate(numbers))
    there = rewrite_maps(code, lambda number: number ^ 0x55AA)
    assert rewrite_maps(there, lambda number: number ^ 0x55AA) == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"{}",
        b"null",
        ARTIFACT.dump()[:-9],
        json.dumps({**json.loads(ARTIFACT.dump()), "format": FORMAT + 1}).encode(),
        json.dumps({**json.loads(ARTIFACT.dump()), "maps": {"threads": [1, 2]}}).encode(),
        json.dumps({**json.loads(ARTIFACT.dump()), "btf_types": [1]}).encode(),
        json.dumps({**json.loads(ARTIFACT.dump()), "btf": "*"}).encode(),
        json.dumps({**json.loads(ARTIFACT.dump()), "programs": []}).encode(),
    ],
)
def test_anything_else_is_a_value_error(data: bytes) -> None:
    """Which the cache takes for "there is none", and compiles."""
    with pytest.raises(ValueError, match=r".*"):
        Artifact.parse(data)
