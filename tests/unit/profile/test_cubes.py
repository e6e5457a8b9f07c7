"""Sets of argument values: each says exactly what the condition does, and no value twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.errors import ProfileError
from tracer.profile import cubes, parse
from tracer.profile.records import Condition, Operator

EVERY = range(1 << 6)
numbers = st.integers(0, max(EVERY))
equalities = st.dictionaries(st.integers(0, 1), st.tuples(numbers, numbers), max_size=2)
operators = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))


def times(value: int, found: list[cubes.Cube]) -> int:
    return sum(value & mask == fixed for mask, fixed in found)


@given(operators, numbers, numbers)
def test_a_comparison_is_cubes_that_share_no_value(op: Operator, value: int, mask: int) -> None:
    condition = Condition(0, op, value, mask)
    found = cubes.of_condition(condition)
    assert all(times(each, found) == condition.holds((each,)) for each in EVERY)


def test_bits_that_are_not_looked_at_make_no_further_cube() -> None:
    assert cubes.compared("<=", 0b00100, 0b10100) == [(0b10000, 0)]


@given(st.sampled_from(("<", "<=", ">", ">=")), st.integers(-32, 31))
def test_a_signed_comparison_goes_by_the_sign(op: Operator, value: int) -> None:
    found = cubes.compared_signed(op, value & max(EVERY), 6)
    for each in EVERY:
        signed = each - 64 if each & 32 else each
        holds = {"<": signed < value, "<=": signed <= value}
        holds |= {">": signed > value, ">=": signed >= value}
        assert times(each, found) == holds[op]


@given(st.sets(numbers, max_size=8))
def test_what_is_outside_some_values_has_none_of_them(values: set[int]) -> None:
    found = cubes.outside(values, max(EVERY))
    assert all(times(each, found) == (each not in values) for each in EVERY)


@given(equalities, equalities)
def test_a_box_without_another_is_what_is_in_the_one_alone(
    one: dict[int, tuple[int, int]], other: dict[int, tuple[int, int]]
) -> None:
    boxes = [
        cubes.box_of(Condition(at, "==", value & mask, mask) for at, (mask, value) in each.items())
        for each in (one, other)
    ]
    whole, taken = boxes
    assert whole is not None
    assert taken is not None
    left = cubes.without([whole], [taken])
    common = [
        cubes.box_of((*cubes.of_box(whole), *cubes.of_box(taken))),
    ]
    assert cubes.volume([whole]) == cubes.volume(left) + cubes.volume(filter(None, common))
    assert not any(cubes.share(each, taken) for each in left)
    assert all(cubes.box_of(cubes.of_box(each)) == each for each in left)


def test_equalities_that_contradict_are_no_box() -> None:
    assert cubes.box_of([Condition(0, "==", 1), Condition(0, "==", 2)]) is None


def test_values_that_come_to_too_many_rules_are_a_line_of_the_profile() -> None:
    values = ", ".join(str(number * 0x9E3779B97F4A7C15 % 2**64) for number in range(1, 300))
    text = 'default_action = "allow"\n[[rule]]\nsyscalls = ["getpgid"]\naction = "trap"\n'
    with pytest.raises(ProfileError, match=r"^x.toml:5: the conditions come to more than 256 rul"):
        parse(f'{text}args = ["arg0 not in [{values}]"]\n', "x.toml")
