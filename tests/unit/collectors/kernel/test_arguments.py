"""Which arguments the program notes, and how they come to rows."""

from __future__ import annotations

import struct

import pytest

from tracer import syscalls
from tracer.collectors.kernel import arguments, wire
from tracer.collectors.kernel.accounts import CallAccounts
from tracer.profile import deciding

ABIS = [(machine, abi) for machine, tables in arguments.TABLES.items() for abi in tables]
PLACES = [(0,), (1,), (2,), (2, 3), (1, 2), (0, 1, 2), (5, 0, 4)]


@pytest.mark.parametrize(("machine", "abi"), ABIS)
def test_what_is_noted_by_number_is_what_decides_by_name(machine: str, abi: str) -> None:
    wanted = {
        number: places
        for name, places in deciding.ARGUMENTS.items()
        if (abi, name) not in deciding.MEMORY and (number := syscalls.number(abi, name)) is not None
    }
    found = arguments.TABLES[machine][abi]
    assert {n: places for places, numbers in found.items() for n in numbers} == wanted


@pytest.mark.parametrize("places", PLACES)
def test_a_spec_names_the_arguments_that_it_was_made_of(places: tuple[int, ...]) -> None:
    assert wire.noted(wire.spec(places)) == places


def record(values: tuple[int, ...], places: tuple[int, ...] = (0, 1, 2), pid: int = 7) -> bytes:
    spec = wire.spec(places) if places else 0
    held = (*values, 0, 0, 0)[:3]
    return struct.pack("=2IQ4I3Q", wire.RECORD_VALUES, spec, 99, pid, 0, 41, 0, *held)


def test_a_combination_that_is_told_twice_is_one() -> None:
    """The kernel forgets the oldest of what it told; another process has its own."""
    accounts = CallAccounts()
    for data in (record((1, 2, 3)), record((1, 2, 4)), record((1, 2, 3)), record((1, 2, 3), pid=8)):
        accounts.noted(wire.arguments(data))
    rows = accounts.take_final().arguments
    assert [(row.pid, row.combination, row.argument, row.value) for row in rows] == [
        *((7, 1, 0, 1), (7, 1, 1, 2), (7, 1, 2, 3)),
        *((7, 2, 0, 1), (7, 2, 1, 2), (7, 2, 2, 4)),
        *((8, 1, 0, 1), (8, 1, 1, 2), (8, 1, 2, 3)),
    ]


def test_what_is_too_much_is_a_row_without_arguments() -> None:
    accounts = CallAccounts()
    accounts.noted(wire.arguments(record((), ())))
    (row,) = accounts.take_final().arguments
    assert (row.combination, row.argument, row.value) == (None, None, None)
