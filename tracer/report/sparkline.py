"""A series of values as one line of marks, the higher the larger."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS, _PLAIN_MARKS = "▁▂▃▄▅▆▇█", "_.-'"
_UNKNOWN = " "


def sparkline(values: Sequence[float | None], width: int, *, plain: bool) -> str:
    """One mark a value, from the smallest (the lowest mark) to the largest (the highest).

    More values than ``width`` share marks: each is then the median of its part. A value that is
    not known is a blank. ``plain``: in ASCII.
    """
    marks = _PLAIN_MARKS if plain else _MARKS
    shown = _joined(values, width)
    known = [value for value in shown if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    steps = (len(marks) - 1) / (high - low) if high > low else 0.0
    return "".join(
        _UNKNOWN if value is None else marks[round((value - low) * steps)] for value in shown
    )


def _joined(values: Sequence[float | None], width: int) -> list[float | None]:
    if len(values) <= width:
        return list(values)
    bounds = [at * len(values) // width for at in range(width + 1)]
    return [_median(values[start:end]) for start, end in pairwise(bounds)]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
