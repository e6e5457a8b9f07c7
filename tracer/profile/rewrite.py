"""A profile's text changed to say something else, with its comments and its order. Owns tomlkit.

What a person wrote stays as it is; only the entries that change do. An entry that goes takes along
the comment on its line. A new one stands at the end of its list.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from tracer.profile import toml

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from tomlkit.items import AoT, Array


def rewritten(source: str, table: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """The text of a profile, ``source``, so that it says ``table``.

    ``notes``: what is said beside an entry that comes to a list, which then has a line to itself.
    ``tomllib.loads`` gives ``table`` back; only the order of ``[[rule]]`` tables, which means
    nothing, may differ. A text that cannot be changed so is written anew, without its comments.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(source)
        _change(document, table, notes or {})
        text = tomlkit.dumps(document)
        if _in_order(tomllib.loads(text)) == _in_order(table):
            return text
    except (TOMLKitError, tomllib.TOMLDecodeError, RecursionError):
        pass
    return toml.dumps(table)


def _in_order(table: Mapping[str, Any]) -> dict[str, Any]:
    rules = table.get("rule")
    return {**table, "rule": sorted(rules, key=repr)} if isinstance(rules, list) else dict(table)


def _change(
    held: MutableMapping[str, Any], wanted: Mapping[str, Any], notes: Mapping[str, str]
) -> None:
    import tomlkit

    for key in [key for key in held if key not in wanted]:
        del held[key]
    for key, value in wanted.items():
        there = held.get(key)
        if there is None:
            held[key] = _made(value, notes)
        elif isinstance(there, tomlkit.items.AoT):
            _change_tables(there, value)
        elif isinstance(there, tomlkit.items.Array) and isinstance(value, list):
            _change_list(there, value, notes)
        elif isinstance(value, dict):
            _change(there, value, notes)
        elif there != value:
            held[key] = value


def _made(value: object, notes: Mapping[str, str]) -> object:
    import tomlkit

    if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        tables = tomlkit.aot()
        _change_tables(tables, value)
        return tables
    if isinstance(value, list) and any(str(entry) in notes for entry in value):
        entries = tomlkit.array()
        _change_list(entries, value, notes)
        return entries
    return value


def _change_tables(held: AoT, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Each table that is wanted is made of the one about the same calls, where there is one."""
    import tomlkit

    left = list(wanted)
    for at in range(len(held) - 1, -1, -1):
        about = _about(held[at])
        like = next((entry for entry in reversed(left) if _about(entry) == about), None)
        if like is None:
            del held[at]
        else:
            left.remove(like)
            _change(held[at], like, {})
    for entry in left:
        table = tomlkit.table()
        for key, value in entry.items():
            table[key] = value
        table.add(tomlkit.nl())
        held.append(table)


def _about(entry: Mapping[str, Any]) -> tuple[object, object]:
    return entry.get("syscalls"), entry.get("action")


def _change_list(held: Array, wanted: Sequence[object], notes: Mapping[str, str]) -> None:
    before = held.unwrap()
    for at in range(len(before) - 1, -1, -1):
        if before[at] not in wanted:
            del held[at]
    # append puts an entry behind the comment of the last line, and so into it.
    written = held.as_string()
    found = re.search(r"\n([ \t]+)\S", written)
    indent = found[1] if found else "    "
    for entry in wanted:
        if entry in before:
            continue
        if note := notes.get(str(entry)):
            held.add_line(entry, indent=indent, comment=note)
        elif "\n" in written:
            held.add_line(entry, indent=indent)
        else:
            held.append(entry)
    noted = any(str(entry) in notes and entry not in before for entry in wanted)
    if noted and not re.search(r"\n[ \t]*\]$", held.as_string()):
        held.add_line(indent="")  # no bracket behind the last note
