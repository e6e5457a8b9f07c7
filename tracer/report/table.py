"""Rows and columns as plain text that fits a terminal, a pipe and a log alike.

Nothing is ever cut off: a text that is too wide is folded over several lines of its cell,
and rows that do not fit at all are shown one column a line, as ``psql``'s ``\\x`` does.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, cast

from tracer.report.text import cell_width, cut, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NULL = "NULL"
"""How an unknown value is shown; a text that reads the same is put in quotes."""
_GAP = "  "
_NARROWEST = 10
"""A text column is folded down to this many columns, not further."""


class Column(NamedTuple):
    """A column of a table."""

    title: str
    right: bool = False
    """Right-aligned and never folded: for numbers."""
    rigid: bool = False
    """Never folded, though on the left: for instants."""


def render(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], width: int | None = 80
) -> str:
    """Return the table as lines, each ended by a line feed, at most ``width`` wide if it can be.

    A cell may be any value (``cell`` says how each is shown). ``width`` None means no limit.
    A table that cannot be folded into ``width`` comes as one block of lines per row.
    """
    cells = [[cell(value) for value in row] for row in rows]
    titles = [printable(column.title) for column in columns]
    natural = [
        max([cell_width(title), *(cell_width(row[index]) for row in cells)])
        for index, title in enumerate(titles)
    ]
    if width is None:
        return _grid(columns, titles, cells, natural)
    widths = _fit(columns, titles, natural, width)
    if widths is None:
        return _blocks(titles, cells, width)
    return _grid(columns, titles, cells, widths)


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
    columns: Sequence[Column], titles: Sequence[str], natural: Sequence[int], width: int
) -> list[int] | None:
    """Return column widths that add up to ``width`` at most; None if there are none."""
    room = width - len(_GAP) * (len(columns) - 1)
    floors = [
        wide if column.right or column.rigid else min(wide, max(_NARROWEST, cell_width(title)))
        for column, title, wide in zip(columns, titles, natural, strict=True)
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


def _grid(
    columns: Sequence[Column],
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
) -> str:
    lines = [
        _line(columns, titles, widths),
        _GAP.join("-" * wide for wide in widths),
    ]
    for row in cells:
        folded = [_fold(text, wide) for text, wide in zip(row, widths, strict=True)]
        for index in range(max(map(len, folded), default=0)):
            parts = [part[index] if index < len(part) else "" for part in folded]
            lines.append(_line(columns, parts, widths))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _line(columns: Sequence[Column], parts: Sequence[str], widths: Sequence[int]) -> str:
    padded = []
    for column, part, wide in zip(columns, parts, widths, strict=True):
        blank = " " * (wide - cell_width(part))
        padded.append(blank + part if column.right else part + blank)
    return _GAP.join(padded)


def _fold(text: str, width: int) -> list[str]:
    """Return ``text`` in pieces of at most ``width``, broken at blanks where there are some."""
    pieces = []
    while cell_width(text) > width:
        head, tail = cut(text, width)
        blank = head.rfind(" ")
        if blank > len(head) // 2 and not tail.startswith(" "):
            head, tail = head[: blank + 1], head[blank + 1 :] + tail
        pieces.append(head.rstrip(" ") or head)
        text = tail.removeprefix(" ")
    return [*pieces, text]


def _blocks(titles: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> str:
    label = max(map(cell_width, titles), default=0)
    room = max(width - label - len(_GAP), _NARROWEST)
    lines = []
    for number, row in enumerate(cells, start=1):
        lines.append(f"-- row {number} ".ljust(min(width, label + room), "-"))
        for title, text in zip(titles, row, strict=True):
            first, *rest = _fold(text, room)
            lines.append(title + " " * (label - cell_width(title)) + _GAP + first)
            lines.extend(" " * label + _GAP + piece for piece in rest)
    return "".join(f"{line.rstrip()}\n" for line in lines)
