"""Two rules for one call: what both can hold for is a contradiction, what not is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.errors import ProfileError
from tracer.profile import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

BITS = 4
RULE = '[[rule]]\nsyscalls = ["getpgid"]\naction = "{}"\nargs = {}\n'
Pattern = tuple[int, int, int]
"""Argument, mask (0: all bits), value."""


def accepted(*rules: tuple[str, Sequence[Pattern]]) -> bool:
    """Whether rules for one call, action and conditions, are a profile."""
    texts = []
    for action, patterns in rules:
        args = [
            f"arg{index} & {mask:#x} == {value & mask}" if mask else f"arg{index} == {value}"
            for index, mask, value in patterns
        ]
        texts.append(RULE.format(action, args))
    try:
        parse('default_action = "allow"\n' + "".join(texts), "two.toml")
    except ProfileError as error:
        if "contradicts that of line 2" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ([(0, 0b01, 1)], [(0, 0b10, 2)], False),  # 3 is in both
        ([(0, 0b11, 1)], [(0, 0b01, 1)], False),  # 1 is in both
        ([(0, 0b11, 2)], [(0, 0b01, 1)], True),
        ([(0, 0, 5)], [(0, 0b100, 4)], False),
        ([(0, 0, 5)], [(0, 0b010, 2)], True),
        ([(0, 0, 1)], [(1, 0, 1)], False),  # of two arguments: both can hold
        ([(0, 0, 1), (1, 0, 2)], [(0, 0, 1), (1, 0, 3)], True),
        ([(0, 0, 1), (1, 0, 2)], [(0, 0, 3), (1, 0, 2)], True),
        ([(0, 0, 1), (1, 0, 2)], [(0, 0, 1)], False),
    ],
)
def test_rules_overlap_where_their_common_bits_agree(
    one: list[Pattern], other: list[Pattern], together: bool
) -> None:
    assert accepted(("trap", one), ("kill_process", other)) is together
    assert accepted(("trap", other), ("kill_process", one)) is together
    assert accepted(("trap", one), ("trap", other))


patterns = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2**BITS - 1), st.integers(0, 2**BITS - 1)),
    min_size=1,
    max_size=2,
    unique_by=lambda pattern: pattern[0],
)


def holds(patterns: Sequence[Pattern], args: tuple[int, int]) -> bool:
    return all(
        args[index] & (mask or -1) == (value & mask if mask else value)
        for index, mask, value in patterns
    )


@given(patterns, patterns)
def test_two_rules_are_refused_exactly_if_some_call_meets_both(
    one: list[Pattern], other: list[Pattern]
) -> None:
    every = [(a, b) for a in range(2**BITS) for b in range(2**BITS)]
    both = any(holds(one, args) and holds(other, args) for args in every)
    assert accepted(("trap", one), ("kill_process", other)) is not both
