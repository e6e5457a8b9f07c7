"""The ``[limits]`` table: durations, sizes and counts, in range or refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer.profile.records import Limits
from tracer.profile.where import did_you_mean

if TYPE_CHECKING:
    from tracer.profile.where import Where

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# A text: re compiles it when it is first needed, which a start seldom does.
_SIZE = r"(\d{1,18})\s*([KMGT]?)(?:i?B)?"
_MOST = 2**63 - 1  # more is infinity to the kernel
# Key of the table -> field of Limits, smallest value, and whether it is a size.
_KEYS: dict[str, tuple[str, int, bool]] = {
    "cpu_seconds": ("cpu_seconds", 1, False),
    "address_space": ("address_space_bytes", 1, True),
    "data": ("data_bytes", 1, True),
    "open_files": ("open_files", 3, False),
    "processes": ("processes", 1, False),
    "file_size": ("file_size_bytes", 0, True),
    "core": ("core_bytes", 0, True),
}
_WALL = "wall_seconds"
_WALL_MOST = 10 * 365 * 86400


def parse_limits(table: object, where: Where) -> Limits:
    """The limits of a profile. Raises ProfileError for unknown keys and values out of range."""
    if not isinstance(table, dict):
        raise where.error(where.lines.of("limits"), "limits must be a table: [limits]")
    found: dict[str, int] = {}
    wall: float | None = None
    for key, value in table.items():
        line = where.lines.of("limits", key)
        if key == _WALL:
            wall = _wall(value, line, where)
        elif key in _KEYS:
            field, least, is_size = _KEYS[key]
            found[field] = _number(key, value, (least, is_size), line, where)
        else:
            known = [*_KEYS, _WALL]
            hint = did_you_mean(key, known) or f"; known: {', '.join(known)}"
            raise where.error(line, f'unknown limit "{key}"{hint}')
    return Limits(wall_seconds=wall, **found)


def _number(key: str, value: object, kind: tuple[int, bool], line: int | None, where: Where) -> int:
    least, is_size = kind
    if is_size and isinstance(value, str) and (match := re.fullmatch(_SIZE, value.strip())):
        value = int(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int):
        wanted = 'bytes, or a text such as "512M"' if is_size else "a whole number"
        raise where.error(line, f"{key} must be {wanted}, not {value!r}")
    if not least <= value <= _MOST:
        raise where.error(
            line, f"{key} = {value} is out of range; give {least} to {_MOST}, or leave it out"
        )
    return value


def _wall(value: object, line: int | None, where: Where) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise where.error(line, f"{_WALL} must be a number of seconds, not {value!r}")
    if not 0 < value <= _WALL_MOST:  # refuses nan too
        raise where.error(
            line, f"{_WALL} = {value} is out of range; give more than 0, at most {_WALL_MOST}"
        )
    return float(value)
