"""A profile's table as TOML text, within 80 columns where its values allow it.

For the tables that ``tomllib`` reads profiles into, and no more: texts, numbers, booleans,
lists, tables, and lists of tables.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WIDTH = 80
_INDENT = "    "


def dumps(table: Mapping[str, Any]) -> str:
    """The text, ended by a line feed; ``tomllib.loads`` gives an equal table back."""
    return "\n".join(_blocks("", table)) + "\n"


def text(value: str) -> str:
    """A text as TOML writes it, in quotes."""
    return _text(value)


def text_list(values: Iterable[str]) -> str:
    """A list of texts on one line."""
    return f"[{', '.join(map(_text, values))}]"


def _blocks(path: str, table: Mapping[str, Any]) -> Iterable[str]:
    """The lines of a table: its own values first, or TOML would count them to a table within."""
    for key, value in table.items():
        if not _is_table(value) and not _is_tables(value):
            yield f"{_key(key)} = {_value(value, len(_key(key)) + 3)}"
    for key, value in table.items():
        name = f"{path}{_key(key)}"
        if _is_table(value):
            yield f"\n[{name}]"
            yield from _blocks(f"{name}.", value)
        elif _is_tables(value):
            for entry in value:
                yield f"\n[[{name}]]"
                yield from _blocks(f"{name}.", entry)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "")
    return key if bare.isascii() and bare.isalnum() else _text(key)


def _value(value: object, lead: int) -> str:
    """A value that begins in column ``lead``; a list that does not fit gets lines of its own."""
    if isinstance(value, list):
        items = [_value(item, len(_INDENT)) for item in value]
        flat = f"[{', '.join(items)}]"
        nested = any(isinstance(item, list) for item in value)
        if lead + len(flat) <= _WIDTH and not (nested and len(value) > 1):
            return flat
        return "[\n" + "".join(f"{_INDENT}{line}\n" for line in _filled(items, nested)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else str(value)


def _filled(items: list[str], one_a_line: bool) -> list[str]:
    """The items, each followed by a comma, as many to a line as fit."""
    lines = [""]
    for item in items:
        joined = f"{lines[-1]} {item}," if lines[-1] else f"{item},"
        if lines[-1] and (one_a_line or len(_INDENT) + len(joined) > _WIDTH):
            lines.append(f"{item},")
        else:
            lines[-1] = joined
    return lines


def _text(text: str) -> str:
    # JSON's escapes are TOML's; but TOML allows no bare DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
