"""What two filters answer otherwise is what the machine says of both, call by call."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.profile.test_machine import code
from tests.unit.profile.test_ways import ALLOW, EPERM, NR, arguments, programs
from tracer.profile import machine, parse
from tracer.profile.compare import Answers, Difference, compare, of_call
from tracer.profile.verdicts import verdict
from tracer.profile.ways import Fact, Word
from tracer.profile.witness import example
from tracer.sandbox import filter as filters
from tracer.sandbox.sources import source


def filter_of(text: str) -> list[machine.Program]:
    return [filters.compile(parse(text, "own.toml")).program()]


def answers(sides: tuple[machine.Program, ...], args: tuple[int, ...]) -> Answers:
    return Answers(*(verdict(machine.run(each, "x86_64", NR, args)) for each in sides))


@settings(max_examples=100, deadline=None)
@given(programs, programs, st.lists(arguments, min_size=5, max_size=15))
def test_a_call_that_is_answered_otherwise_is_never_missed(
    a: machine.Program, b: machine.Program, calls: list[tuple[int, ...]]
) -> None:
    found = of_call([a], [b], "x86_64", NR)
    told = {found.otherwise, *(case.answers for case in found.cases)} if found else set()
    for args in calls:
        both = answers((a, b), args)
        assert not both.differ or both in told


@settings(max_examples=100, deadline=None)
@given(programs, programs)
def test_each_difference_comes_with_a_call_that_shows_it(
    a: machine.Program, b: machine.Program
) -> None:
    found = of_call([a], [b], "x86_64", NR)
    for case in found.cases if found else ():
        if not any("ip" in each for each in case.conditions):
            assert answers((a, b), case.args) == case.answers


@settings(max_examples=40, deadline=None)
@given(programs)
def test_a_filter_is_like_itself(found: machine.Program) -> None:
    assert of_call([found], [found], "x86_64", NR) is None


def test_what_is_written_otherwise_and_amounts_to_the_same_is_alike() -> None:
    one = filter_of('default_action = "errno:EPERM"\nallow = ["@basic-io"]')
    names = sorted(parse('default_action = "trap"\nallow = ["@basic-io"]', "").unconditional)
    other = filter_of(f'allow = {names}\ndefault_action = "errno:EPERM"'.replace("'", '"'))
    found = compare(one, other, "x86_64")
    assert (found.calls, found.others, found.alike) == ({}, None, found.total)


def test_only_the_values_that_differ_are_named() -> None:
    rule = (
        'default_action = "errno:EPERM"\n[[rule]]\nsyscalls = ["prctl"]\naction = "allow"\n'
        "args = [{}]"
    )
    both = '["arg0 & 0xffffffff == 15"], ["arg0 & 0xffffffff == 16"]'
    more = f'{both}, ["arg0 & 0xffffffff == 1"]'
    found = compare(filter_of(rule.format(both)), filter_of(rule.format(more)), "x86_64")
    (name, difference) = found.calls.popitem()
    (case,) = difference.cases
    assert (name, found.calls) == ("prctl", {})
    assert case.conditions == ("arg0 & 0xffffffff == 1",)
    assert list(map(str, case.answers)) == ["errno:EPERM", "allow"]
    assert not difference.otherwise.differ


def test_a_number_without_a_name_is_told_where_it_is_answered_otherwise() -> None:
    """As runc puts an ENOSYS above the largest number of a profile."""
    plain = machine.program(code((0x06, 0, 0, EPERM)))
    stub = machine.program(
        code((0x20, 0, 0, 0), (0x15, 0, 1, 1000), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, EPERM))
    )
    found = compare([plain], [stub], "x86_64")
    assert found.others is None
    assert list(found.calls) == ["syscall_0x3e8"]


def test_no_filter_is_one_that_allows_everything() -> None:
    allowing = machine.program(code((0x06, 0, 0, ALLOW)))
    assert compare([], [allowing], "x86_64").calls == {}
    refused = machine.program(code((0x06, 0, 0, EPERM)))
    found = of_call([], [refused], "x86_64", NR)
    assert found == Difference((), Answers(verdict(ALLOW), verdict(EPERM)))


def test_resource_aware_lets_no_call_through_that_strict_kills_for_by_its_arguments() -> None:
    """Of the two shipped ones: what STRICT alone permits is nothing."""
    strict, aware = (source(name).filters for name in ("STRICT", "RESOURCE-AWARE"))
    found = compare(strict, aware, "x86_64")
    both = [
        answers
        for each in found.calls.values()
        for answers in (each.otherwise, *(case.answers for case in each.cases))
    ]
    assert [each for each in both if each.a.permits and not each.b.permits] == []


@pytest.mark.parametrize("group", ["@file-system", "@known"])
def test_a_group_is_what_systemd_makes_of_it(group: str) -> None:
    found = source(group)
    (program,) = found.filters
    assert found.profile is None
    assert str(verdict(machine.run(program, "x86_64", 257, (0,) * 6))) == "allow"  # openat


def test_an_example_is_found_for_bits_and_values_that_exclude_each_other_nearly() -> None:
    word = Word(16)
    facts = (
        Fact(Word(16, 0xF0), machine.EQUAL, 0x20, holds=True),
        Fact(word, machine.EQUAL, 0x20, holds=False),
        Fact(word, machine.GREATER, 0x2F, holds=False),
        Fact(word, machine.ANY_BIT, 0x8, holds=True),
    )
    args = example(facts)
    assert args is not None
    value = struct.unpack("<2I", struct.pack("<Q", args[0]))[0]
    assert all(fact.is_true_of(value) for fact in facts)
    assert value & 0xF8 == 0x28
