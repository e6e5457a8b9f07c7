"""Conditions in the kernel's words: each means to the parser what it was written for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer import syscalls
from tracer.decode import constants as c
from tracer.profile import explain
from tracer.profile.deciding import ARGUMENTS, BITS
from tracer.profile.lines import Lines
from tracer.profile.records import FULL_MASK, Condition
from tracer.profile.spoken import spoken
from tracer.profile.where import Where
from tracer.profile.wording import Context, parse_condition
from tracer.words import lookup

NATIVE = syscalls.native_abi()
INT = 0xFFFF_FFFF
EVERY = [
    (call, index, lookup.number(word) or 0, word)
    for (call, index), words in {
        ("socket", 0): c.FAMILIES,
        ("fcntl", 1): c.FCNTL_COMMANDS,
        ("ioctl", 1): c.IOCTLS,
        ("prctl", 0): c.PRCTLS,
        ("setsockopt", 1): c.SOCKET_LEVELS,
        ("bpf", 0): c.BPF_COMMANDS,
        ("madvise", 2): c.ADVICE,
    }.items()
    for word in words.split()
]


def read(call: str, text: str, abis: tuple[str, ...] = (NATIVE,)) -> list[Condition]:
    return parse_condition(text, None, Context(Where("", Lines("")), [call], abis, {}))


@pytest.mark.parametrize(("call", "index", "number", "word"), EVERY)
def test_every_word_that_is_written_is_read_back_as_its_number(
    call: str, index: int, number: int, word: str
) -> None:
    condition = Condition(index, "==", number & INT, INT)
    (text,) = spoken(call, [condition], [NATIVE])
    spoken_word = text.rpartition(" == ")[2]
    assert spoken_word == word or lookup.number(spoken_word) == number
    assert read(call, text) == [condition]


@pytest.mark.parametrize("level", c.SOCKET_OPTIONS)
def test_every_option_of_a_socket_is_read_back_beside_its_level(level: str) -> None:
    for word in c.SOCKET_OPTIONS[level].split():
        number = lookup.number(word) or 0
        wanted = [
            Condition(1, "==", lookup.number(level) or 0, INT),
            Condition(2, "==", number, INT),
        ]
        texts = spoken("setsockopt", wanted, [NATIVE])
        assert texts == [f"setsockopt.level == {level}", f"setsockopt.optname == {word}"]
        assert [each for text in texts for each in read("setsockopt", text)] == wanted


@given(
    st.sampled_from(sorted(ARGUMENTS)),
    st.integers(0, 5),
    st.integers(0, FULL_MASK),
    st.sampled_from([INT, FULL_MASK, 0xF, 0x6, 0x7E020000]),
    st.sampled_from([(NATIVE,), (NATIVE, "i386")]),
)
def test_whatever_is_written_means_the_same_condition(
    call: str, index: int, value: int, mask: int, abis: tuple[str, ...]
) -> None:
    condition = Condition(index, "==", value & mask, mask)
    (text,) = spoken(call, [condition], abis)
    assert read(call, text, abis) == [condition]


def test_the_arguments_that_decide_are_those_that_are_recorded() -> None:
    """Of each table its own calls, and of these arguments that there are."""
    for table in (BITS, explain._DECIDING):
        for call, masks in table.items():
            assert set(masks) <= set(ARGUMENTS.get(call, masks)), call
            assert all(lookup.argument_name(call, index) for index in masks), call
