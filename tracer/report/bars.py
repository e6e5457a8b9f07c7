"""Bars and marks at the right of a table, so that eyes find what is large before they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.text import cell_width

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_ROOM = 4
"""Columns below which a bar says nothing."""
_MOST_ROOM = 40
_EIGHTHS = "▏▎▍▌▋▊▉█"


def bar(part: float, most: float, room: int, *, plain: bool) -> str:
    """A bar whose length is to ``room`` as ``part`` is to ``most``.

    It has a mark for any part at all: what is rare must be seen. ``plain``: in ASCII.
    """
    if part <= 0 or most <= 0:
        return ""
    if plain:
        return "#" * max(round(part * room / most), 1)
    eighths = max(round(part * room * 8 / most), 1)
    whole, rest = divmod(eighths, 8)
    return _EIGHTHS[-1] * whole + (_EIGHTHS[rest - 1] if rest else "")


def room_beside(table: str, width: int) -> int:
    """How many columns of ``width`` are free at the right of a table."""
    widest = max(map(cell_width, table.splitlines()), default=0)
    return min(width - widest - 2, _MOST_ROOM)


def beside(table: str, title: str, marks: Sequence[str]) -> str:
    """The table with one more column, a mark for each of its rows."""
    head, rule, *rows = table.splitlines()
    line = "-" * max(map(cell_width, (title, *marks)), default=0)
    widest = max(map(cell_width, (head, rule, *rows)))
    return "".join(
        f"{text}{' ' * (widest - cell_width(text) + 2)}{mark}".rstrip() + "\n"
        for text, mark in zip((head, rule, *rows), (title, line, *marks), strict=True)
    )
