"""Rows of any query in the formats that people and programs read."""

from __future__ import annotations

import csv
import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Literal

from tracer.report.table import cell, columns_for, sample, stream
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

RowFormat = Literal["table", "csv", "json", "jsonl", "markdown"]


def write(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    style: RowFormat,
    out: TextIO,
    width: int = 80,
    cut: frozenset[str] = frozenset(),
) -> None:
    """Write the rows to ``out`` as they come; a table is laid out by the first ones.

    ``cut``: columns that a table cuts off where they are too wide.
    NULL is ``NULL`` in a table and in Markdown, null in JSON, an empty field in CSV.
    """
    match style:
        case "table":
            out.writelines(stream(columns, rows, width, cut))
        case "markdown":
            out.writelines(_markdown(columns, rows))
        case "csv":
            _csv(columns, rows, out)
        case "json":
            _json(columns, rows, out)
        case "jsonl":
            names = _unique(columns)
            out.writelines(_object(names, row) + "\n" for row in rows)


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    rest = iter(rows)
    first = sample(rest)
    right = [column.right for column in columns_for(columns, first)]
    yield _bar(printable(name) for name in columns)
    yield _bar("---:" if numeric else "---" for numeric in right)
    for row in chain(first, rest):
        yield _bar(map(cell, row))


def _bar(cells: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |\n"


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]], out: TextIO) -> None:
    # A program reads CSV as data, to the byte; a terminal would obey it.
    show = printable if out.isatty() else str
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(show, columns))
    for row in rows:
        values = (_plain(value) for value in row)
        writer.writerow(
            show(json.dumps(value) if isinstance(value, list | dict) else value)
            if isinstance(value, str | list | dict)
            else _csv_scalar(value)
            for value in values
        )


def _csv_scalar(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _json(columns: Sequence[str], rows: Iterable[Sequence[object]], out: TextIO) -> None:
    names = _unique(columns)
    start = "["
    for row in rows:
        out.write(f"{start}\n  {_object(names, row)}")
        start = ","
    out.write("[]\n" if start == "[" else "\n]\n")


def objects(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    """Return the rows as JSON can hold them, an object each."""
    names = _unique(columns)
    return [_fields(names, row) for row in rows]


def _fields(names: Sequence[str], row: Sequence[object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _object(names: Sequence[str], row: Sequence[object]) -> str:
    # ASCII: JSON's own escapes keep control characters of every kind away from a terminal.
    return json.dumps(_fields(names, row))


def _unique(columns: Sequence[str]) -> list[str]:
    """Return the names with ``_2``, ``_3``… where one comes again: an object has each once."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _plain(value: object) -> object:
    """Return ``value`` as JSON can hold it: instants in ISO 8601, bytes in hex."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | Decimal):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
