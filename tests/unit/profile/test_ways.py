"""The ways through a filter cover every call once, and say what the machine says."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.profile.test_machine import code
from tracer.errors import FilterError
from tracer.profile import machine
from tracer.profile.cases import Cases, of_call, surface
from tracer.profile.verdicts import verdict
from tracer.profile.ways import Fact, Way, Word, between, stacked, ways
from tracer.syscalls import AUDIT_ARCH

EDGES = (0, 1, 2, 3, 5, 7, 0xFFFF, 0x10000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 5, (1 << 64) - 1)
NR = 41
ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
ENDS = [(0x06, 0, 0, value) for value in (ALLOW, EPERM, 0x00050002, KILL)]

words = st.sampled_from((0, 4, 16, 20, 24, 28))
numbers = st.sampled_from((0, 1, 2, 4, 5, 7, 0xFFFF, 0x10000, 0xFFFFFFFF, AUDIT_ARCH["x86_64"]))
tests = st.tuples(
    st.sampled_from((0x15, 0x25, 0x35, 0x45)), st.integers(0, 3), st.integers(0, 3), numbers
)
loads = st.tuples(st.just(0x20), st.just(0), st.just(0), words)
masks = st.tuples(st.just(0x54), st.just(0), st.just(0), numbers)
programs = st.lists(st.one_of(loads, tests, tests, masks), max_size=14).map(
    lambda body: machine.program(code((0x20, 0, 0, 16), *body, *ENDS))
)
arguments = st.tuples(*[st.sampled_from(EDGES)] * 6)


def taken(found: tuple[Way, ...], args: tuple[int, ...]) -> list[Way]:
    """The ways on which every fact is true of the call."""
    data = struct.pack("<IIQ6Q", NR, AUDIT_ARCH["x86_64"], 0, *args)
    value = struct.unpack("<16I", data)
    return [
        way for way in found if all(fact.is_true_of(value[fact.word.at // 4]) for fact in way.facts)
    ]


@settings(max_examples=300, deadline=None)
@given(programs, st.lists(arguments, min_size=5, max_size=20))
def test_each_call_goes_exactly_one_way_and_gets_the_machines_answer(
    found: machine.Program, calls: list[tuple[int, ...]]
) -> None:
    all_ways = ways(found, "x86_64", NR)
    for args in calls:
        (way,) = taken(all_ways, args)
        assert way.value == machine.run(found, "x86_64", NR, args)


@settings(max_examples=150, deadline=None)
@given(st.lists(programs, min_size=2, max_size=3), st.lists(arguments, min_size=3, max_size=9))
def test_stacked_filters_give_the_strictest_answer(
    filters: list[machine.Program], calls: list[tuple[int, ...]]
) -> None:
    all_ways = stacked(filters, "x86_64", NR)
    for args in calls:
        (way,) = taken(all_ways, args)
        answers = [machine.run(found, "x86_64", NR, args) for found in filters]
        signed = [value - (1 << 32) if value >> 31 else value for value in answers]
        strict = min(signed, key=lambda value: value >> 16)
        assert (way.value ^ strict) & 0xFFFF0000 == 0
        assert way.value in answers


def cases(*instructions: tuple[int, int, int, int]) -> Cases:
    return of_call([machine.program(code(*instructions))], "x86_64", NR)


@pytest.mark.parametrize(
    ("instructions", "condition"),
    [
        ([(0x20, 0, 0, 16), (0x15, 0, 1, 5)], "allow if arg0 & 0xffffffff == 5"),
        ([(0x20, 0, 0, 28), (0x15, 0, 1, 5)], "allow if arg1 & 0xffffffff00000000 == 0x500000000"),
        ([(0x20, 0, 0, 24), (0x54, 0, 0, 0xF0), (0x15, 0, 1, 16)], "allow if arg1 & 0xf0 == 16"),
        ([(0x20, 0, 0, 16), (0x45, 1, 0, 6)], "allow if arg0 & 0x6 == 0"),
        ([(0x20, 0, 0, 16), (0x25, 1, 0, 6)], "allow if arg0 & 0xffffffff <= 6"),
        ([(0x20, 0, 0, 20), (0x35, 0, 1, 6)], "allow if arg0 >> 32 >= 6"),
        ([(0x20, 0, 0, 20), (0x25, 0, 1, 6)], "allow if arg0 >> 32 > 6"),
        ([(0x20, 0, 0, 24), (0x35, 1, 0, 6)], "allow if arg1 & 0xffffffff < 6"),
        ([(0x20, 0, 0, 16), (0x54, 0, 0, 6), (0x15, 1, 0, 2)], "errno:EPERM if arg0 & 0x6 == 2"),
        ([(0x20, 0, 0, 8), (0x15, 0, 1, 5)], "allow if ip & 0xffffffff == 5"),
    ],
)
def test_a_comparison_is_written_as_a_profile_writes_it(
    instructions: list[tuple[int, int, int, int]], condition: str
) -> None:
    found = cases(*instructions, (0x06, 0, 0, ALLOW), (0x06, 0, 0, EPERM))
    (case,) = found.cases
    assert f"{case.verdict} if {' and '.join(case.conditions)}" == condition
    assert {str(case.verdict), str(found.otherwise)} == {"allow", "errno:EPERM"}


def test_both_halves_of_a_register_are_one_condition() -> None:
    found = cases(
        *((0x20, 0, 0, 20), (0x15, 0, 3, 1), (0x20, 0, 0, 16), (0x15, 0, 1, 5)),
        *((0x06, 0, 0, ALLOW), (0x06, 0, 0, EPERM)),
    )
    assert [case.conditions for case in found.cases] == [("arg0 == 0x100000005",)]


def test_a_way_that_no_value_can_take_is_none() -> None:
    """Of one word: above 5, and not above 7, and neither 6 nor 7."""
    found = cases(
        *((0x20, 0, 0, 16), (0x25, 0, 4, 5), (0x25, 3, 0, 7), (0x15, 2, 0, 6), (0x15, 1, 0, 7)),
        *((0x06, 0, 0, KILL), (0x06, 0, 0, ALLOW)),
    )
    assert found == Cases((), verdict(ALLOW))


def test_numbers_without_a_name_that_are_answered_otherwise_are_listed() -> None:
    """As runc puts an ENOSYS above the largest number of a profile."""
    filter_ = machine.program(
        code((0x20, 0, 0, 0), (0x15, 0, 1, 1000), (0x06, 0, 0, EPERM), (0x06, 0, 0, ALLOW))
    )
    found = surface([filter_], "x86_64")
    assert str(found.others.otherwise) == "allow"
    assert str(found.calls["syscall_0x3e8"].otherwise) == "errno:EPERM"
    assert str(found.calls["read"].otherwise) == "allow"


def test_what_cannot_be_followed_is_said() -> None:
    with pytest.raises(FilterError, match="calculates with arguments"):
        cases((0x20, 0, 0, 16), (0x04, 0, 0, 1), (0x15, 0, 0, 5), (0x06, 0, 0, ALLOW))


def test_values_at_either_end_that_are_excluded_narrow_the_range_by_themselves() -> None:
    word = Word(0, 0xFFFF_FFFF)
    ends = (0, 1, 0xFFFF_FFFF, 0xFFFF_FFFE, 0xFFFF_FFFD)
    facts = [Fact(word, machine.EQUAL, value, holds=False) for value in ends]
    assert between(facts) == (2, 0xFFFF_FFFC)
