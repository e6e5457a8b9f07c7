"""What came from a target is shown on one line, and a terminal obeys none of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.report.table import Column, cell, columns_for, render
from tracer.text import cell_width, cut, printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("caf\u00e9 \u65e5\u672c", "caf\u00e9 \u65e5\u672c"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_controls_and_bad_bytes_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_of_a_text_stay_lines() -> None:
    assert printable_lines("a\n\tb\x1b\n") == "a\n\tb\\x1b\n"


@given(st.text(st.characters(codec=None)))
def test_printable_text_holds_no_control_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)


@given(st.text(), st.integers(min_value=1, max_value=20))
def test_cut_loses_nothing_and_always_moves_on(text: str, width: int) -> None:
    head, tail = cut(text, width)
    assert head + tail == text
    assert head or not text


def test_a_table_aligns_numbers_right_and_text_left() -> None:
    columns = [Column("name"), Column("calls", right=True)]
    assert render(columns, [["read", 23], ["getppid", 5]]) == (
        "name     calls\n-------  -----\nread        23\ngetppid      5\n"
    )


def test_null_is_not_the_text_null() -> None:
    assert (cell(None), cell("NULL")) == ("NULL", '"NULL"')


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (1.5, "1.5"),
        (2.0, "2.0"),
        (0.00001, "1e-05"),
        (float("nan"), "nan"),
        (12345678.25, "12345678.25"),
        (Decimal("1.10"), "1.10"),
        (b"\x00\xff", "00ff"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05.000Z"),
        (["a", None, 1], '["a", null, 1]'),
        ({"k": "\x1b"}, '{"k": "\\u001b"}'),
    ],
)
def test_each_kind_of_value_has_one_form(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_a_long_text_is_folded_not_cut() -> None:
    out = render([Column("n", right=True), Column("argv")], [[1, "word " * 40]], 40)
    assert max(map(len, out.splitlines())) <= 40
    assert out.count("word") == 40


def test_what_cannot_fit_comes_as_a_block_per_row() -> None:
    columns = [Column(f"column_number_{index}", right=True) for index in range(12)]
    out = render(columns, [list(range(12)), list(range(12))], 80)
    assert out.count("-- row ") == 2
    assert "column_number_11  11\n" in out


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=5), st.integers(20, 100))
def test_a_table_of_text_never_passes_its_width(rows: list[list[str]], width: int) -> None:
    out = render(columns_for(["a", "b", "c"], rows), rows, max(width, 44))
    # But for a word that is wider by itself, under its title in a block of lines.
    words = [
        len("a  ") + cell_width(w) for row in rows for t in row for w in printable(t).split(" ")
    ]
    assert all(cell_width(line) <= max(width, 44, *words) for line in out.splitlines())


def test_a_column_is_numeric_only_where_every_known_value_is() -> None:
    rows: list[list[object]] = [[1, None, "x", True], [None, None, 2, False]]
    assert [c.right for c in columns_for(["a", "b", "c", "d"], rows)] == [True, False, False, False]


def test_a_column_that_says_so_is_cut_to_one_line_a_row() -> None:
    columns = (Column("run", rigid=True), Column("command", cut=True))
    rows = [("0123456789ab", "cc " + "word " * 500), ("ba9876543210", "short")]
    head, rule, long, short = render(columns, rows, 80).splitlines()
    assert (cell_width(long), long[-1], cell_width(rule)) == (80, "…", 80)
    assert short == "ba9876543210  short"
    assert render(columns, rows, None).splitlines()[2].endswith("word word")
    assert head.startswith("run")
