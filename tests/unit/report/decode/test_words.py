"""Words stand for the numbers that the kernel takes."""

from __future__ import annotations

import fcntl
import os

import pytest

from tracer.report.decode import constants, words
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


def test_both_tables_of_the_kernels_words_agree() -> None:
    """The one that names values for a person, and the generated one that conditions are read by."""
    tables = [table for name, table in vars(constants).items() if name.isupper()]
    given = [table for table in tables if isinstance(table, dict)]
    foreign = {*constants.OPEN_FLAGS_ARM.values(), *constants.OPEN_FLAGS_X86.values()}
    for table in given:
        for value, word in table.items():
            known = lookup.number(word)
            if known is not None and word not in foreign:
                assert known == value & (1 << 64) - 1, word
    assert lookup.number("O_DIRECTORY") in (*constants.OPEN_FLAGS_ARM, *constants.OPEN_FLAGS_X86)
