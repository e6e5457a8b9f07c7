"""What the program reads of refused calls is what the reports take for paths."""

from __future__ import annotations

import pytest

from tracer import syscalls
from tracer.collectors.kernel import paths
from tracer.decode.signatures import SIGNATURES

WIDE_MASK = {"fanotify_mark"}
"""Takes 64 bits before its path, which are two arguments where registers have 32."""
ABIS = [(machine, abi) for machine, tables in paths.TABLES.items() for abi in tables]


@pytest.mark.parametrize(("machine", "abi"), ABIS)
def test_every_path_of_a_signature_is_read_where_its_call_has_it(machine: str, abi: str) -> None:
    wanted = {}
    for name, kinds in SIGNATURES.items():
        number = syscalls.number(abi, name)
        places = [1 + place for place, kind in enumerate(kinds) if kind == "path"]
        if number is not None and places:
            later = name in WIDE_MASK and abi in syscalls.ABI_32BIT
            first, second = (*places, 0)[:2]
            wanted[number] = first + later + (second << 4)
    found = paths.TABLES[machine][abi]
    assert {n: places for places, numbers in found.items() for n in numbers} == wanted


@pytest.mark.parametrize("machine", paths.TABLES)
def test_the_table_has_a_half_for_each_abi(machine: str) -> None:
    table = paths.path_table(machine)
    assert len(table) == 2 * paths.DIRECT_NUMBERS
    for half, abi in enumerate(paths.TABLES[machine]):
        number = syscalls.number(abi, "openat")
        assert number is not None
        assert table[half * paths.DIRECT_NUMBERS + number] == 2
