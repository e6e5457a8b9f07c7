"""Words stand for the numbers that the kernel takes."""

from __future__ import annotations

import fcntl
import os

import pytest

from tracer.decode import constants, words
from tracer.words import lookup


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("AF_INET", 2),
        ("O_RDWR|O_CLOEXEC", os.O_RDWR | os.O_CLOEXEC),
        ("PROT_READ | PROT_EXEC", 5),
        ("F_SETOWN", fcntl.F_SETOWN),
        ("TIOCSTI", 0x5412),
        ("SIGKILL", 9),
        ("NULL", 0),
        ("0x10", 16),
        ("-1", 0xFFFF_FFFF_FFFF_FFFF),
        ("AT_FDCWD", constants.AT_FDCWD & 0xFFFF_FFFF_FFFF_FFFF),
        ("path", None),
        ("AF_INET|", None),
        ("", None),
    ],
)
def test_a_word_is_its_number_and_what_is_no_word_is_none(text: str, value: int | None) -> None:
    assert words.number(text) == value


def test_every_word_for_a_value_is_one_of_the_kernels() -> None:
    tables = {name: words for name, words in vars(constants).items() if isinstance(words, str)}
    for name, given in tables.items():
        if name.isupper():
            assert len(lookup.by_number(given)) == len(given.split()), name
