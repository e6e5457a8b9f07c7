"""Rows and columns as plain text that fits a terminal, a pipe and a log alike.

A text that is too wide is folded at blanks over several lines of its cell, and rows that do
not fit at all are shown one column a line, as ``psql``'s ``\\x`` does. Only a column that says
so is cut, to keep one line a row.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, cast

from tracer.text import cell_width, cut, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NULL = "NULL"
"""How an unknown value is shown; a text that reads the same is put in quotes."""
_GAP = "  "
_NARROWEST = 10
"""A text column is folded or cut down to this many columns, not further."""
_ELLIPSIS = "…"
_SAMPLE_ROWS = 1000
_SAMPLE_CHARS = 1 << 22


class Column(NamedTuple):
    """A column of a table."""

    title: str
    right: bool = False
    """Right-aligned and never folded: for numbers."""
    rigid: bool = False
    """Never folded, though on the left: for instants."""
    cut: bool = False
    """Cut off with an ellipsis where it is too wide: for commands."""


class _Layout(NamedTuple):
    columns: Sequence[Column]
    titles: Sequence[str]
    widths: Sequence[int] | None
    """The width of each column; None: one block of lines a row."""
    width: int


def render(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], width: int | None = 80
) -> str:
    """Return the table as lines, each ended by a line feed, at most ``width`` wide if it can be.

    A cell may be any value (``cell`` says how each is shown). ``width`` None means no limit.
    A table that cannot be folded into ``width`` comes as one block of lines per row.
    """
    cells = [[cell(value) for value in row] for row in rows]
    return "".join(_lines(_layout(columns, cells, width), cells))


def stream(
    names: Sequence[str],
    rows: Iterable[Sequence[object]],
    width: int | None = 80,
    cut: frozenset[str] = frozenset(),
) -> Iterator[str]:
    """Yield the lines of a table of rows of unknown types, however many there are.

    Its columns are those that suit the first thousand rows (fewer, if they are large).
    """
    rest = iter(rows)
    first = sample(rest)
    columns = [column._replace(cut=column.title in cut) for column in columns_for(names, first)]
    layout = _layout(columns, [[cell(value) for value in row] for row in first], width)
    yield from _lines(layout, ([cell(value) for value in row] for row in chain(first, rest)))


def sample(rows: Iterator[Sequence[object]]) -> list[Sequence[object]]:
    """Take the first rows, by which the others are laid out."""
    first, chars = [], 0
    for row in islice(rows, _SAMPLE_ROWS):
        first.append(row)
        chars += sum(len(value) for value in row if isinstance(value, str | bytes | list | dict))
        if chars > _SAMPLE_CHARS:
            break
    return first


def _layout(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int | None
) -> _Layout:
    titles = [printable(column.title) for column in columns]
    natural = [
        max([cell_width(title), *(cell_width(row[index]) for row in cells)])
        for index, title in enumerate(titles)
    ]
    if width is None:
        return _Layout(columns, titles, natural, 0)
    return _Layout(columns, titles, _fit(columns, titles, cells, natural, width), width)


def columns_for(names: Sequence[str], rows: Sequence[Sequence[object]]) -> list[Column]:
    """Return columns for rows of unknown types; a column of numbers alone goes to the right."""
    return [
        Column(name, right=_is_numeric(values), rigid=_is_instants(values))
        for name, values in zip(names, _columns(names, rows), strict=True)
    ]


def cell(value: object) -> str:
    """Return one value as printable text: what a table cell shows."""
    if value is None:
        return NULL
    if isinstance(value, str):
        return f'"{NULL}"' if value == NULL else printable(value)
    return _other(value)


def _other(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, list | tuple | dict):
        return printable(json.dumps(_plain(value), ensure_ascii=False))
    return printable(str(value))


def _plain(value: object) -> object:
    """Return nested data as JSON can hold it; instants and the like as their text."""
    if isinstance(value, dict):
        pairs = cast("Mapping[object, object]", value).items()
        return {str(key): _plain(item) for key, item in pairs}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return _other(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    if value and abs(value) < 0.001:
        return f"{value:.3g}"
    whole, _, decimals = f"{value:.3f}".partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(" ", "milliseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds") + "Z"


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [[row[index] for row in rows] for index in range(len(names))]


def _is_instants(values: Sequence[object]) -> bool:
    return any(isinstance(value, datetime) for value in values)


def _is_numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in known
    )


def _fit(
    columns: Sequence[Column],
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    natural: Sequence[int],
    width: int,
) -> list[int] | None:
    """Return column widths that add up to ``width`` at most; None if there are none."""
    room = width - len(_GAP) * (len(columns) - 1)
    if sum(natural) <= room:
        return list(natural)
    floors = [
        wide if column.right or column.rigid else min(wide, _floor(column, titles, cells, index))
        for index, (column, wide) in enumerate(zip(columns, natural, strict=True))
    ]
    if sum(floors) > room:
        return None
    widths = list(natural)
    while (excess := sum(widths) - room) > 0:
        # Take from the widest foldable column, down to the next widest one, and look again.
        foldable = [index for index in range(len(widths)) if widths[index] > floors[index]]
        widest = max(foldable, key=lambda index: widths[index])
        others = [widths[index] for index in foldable if widths[index] < widths[widest]]
        lowest = max([floors[widest], *others])
        widths[widest] -= max(1, min(excess, widths[widest] - lowest))
    return widths


def _floor(
    column: Column, titles: Sequence[str], cells: Sequence[Sequence[str]], index: int
) -> int:
    """The fewest columns that a text may be folded or cut to: a word stays in one piece."""
    narrowest = max(_NARROWEST, cell_width(titles[index]))
    if column.cut:
        return narrowest
    words = (cell_width(word) for row in cells for word in row[index].split(" "))
    return max(narrowest, max(words, default=0))


def _lines(layout: _Layout, cells: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = _blocks(layout, cells) if layout.widths is None else _grid(layout, cells)
    return (f"{line.rstrip()}\n" for line in lines)


def _grid(layout: _Layout, cells: Iterable[Sequence[str]]) -> Iterator[str]:
    columns, widths = layout.columns, layout.widths or ()
    yield _line(columns, layout.titles, widths)
    yield _GAP.join("-" * wide for wide in widths)
    for row in cells:
        pieces = [
            _fold(text, wide, column)
            for column, text, wide in zip(columns, row, widths, strict=True)
        ]
        for index in range(max(map(len, pieces), default=0)):
            yield _line(columns, [p[index] if index < len(p) else "" for p in pieces], widths)


def _line(columns: Sequence[Column], parts: Sequence[str], widths: Sequence[int]) -> str:
    padded = []
    for column, part, wide in zip(columns, parts, widths, strict=True):
        blank = " " * (wide - cell_width(part))
        padded.append(blank + part if column.right else part + blank)
    return _GAP.join(padded)


def _fold(text: str, width: int, column: Column) -> list[str]:
    """Return ``text`` in pieces of at most ``width``, unless a word by itself is wider."""
    if cell_width(text) <= width or column.right or column.rigid:
        return [text]
    if column.cut:
        return [cut(text, width - 1)[0] + _ELLIPSIS]
    return _wrap(text, width)


def _wrap(text: str, width: int) -> list[str]:
    lines, line = [], ""
    for number, word in enumerate(text.split(" ")):
        longer = f"{line} {word}" if number else word
        if number and cell_width(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


def _blocks(layout: _Layout, cells: Iterable[Sequence[str]]) -> Iterator[str]:
    titles, width = layout.titles, layout.width
    label = max(map(cell_width, titles), default=0)
    room = max(width - label - len(_GAP), _NARROWEST)
    for number, row in enumerate(cells, start=1):
        yield f"-- row {number} ".ljust(min(width, label + room), "-")
        for title, text in zip(titles, row, strict=True):
            first, *rest = [text] if cell_width(text) <= room else _wrap(text, room)
            yield title + " " * (label - cell_width(title)) + _GAP + first
            yield from (" " * label + _GAP + piece for piece in rest)
