"""The tables ``[vars]`` and ``[groups]``: names of one's own for values and for calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from tracer.profile import groups
from tracer.profile.where import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.layers import Layer
    from tracer.profile.where import Where
    from tracer.profile.wording import Value

_NAME = r"[A-Za-z0-9_-]{1,64}"
_VALUE = 'a number, a word or name, or a list of such: families = ["AF_UNIX", "AF_INET"]'


def variables(layers: Sequence[Layer]) -> dict[str, Value]:
    """What each variable stands for; the nearest layer that has one says so.

    Raises ProfileError for a name or value of another form.
    """
    found: dict[str, Value] = {}
    for layer in reversed(layers):
        for name, value in _table(layer, "vars").items():
            line = layer.where.lines.of("vars", name)
            if not re.fullmatch(_NAME, name):
                raise layer.where.error(
                    line, f'"{name}" is no name for a variable: letters and digits'
                )
            if not _is_value(value):
                raise layer.where.error(line, f'"{name}" must be {_VALUE}')
            found[name] = cast("Value", value)
    return found


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(not isinstance(v, list) and _is_value(v) for v in value)
    return isinstance(value, int | str) and not isinstance(value, bool) and value != ""


def _table(layer: Layer, key: str) -> dict[str, object]:
    value = layer.table.get(key, {})
    if not isinstance(value, dict):
        raise layer.where.error(layer.where.lines.of(key), f"{key} is a table: [{key}]")
    return value


class OwnGroups:
    """The groups of a profile and of what it extends: which calls each stands for."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        """Raises ProfileError for a name that is taken or has another form, and for a circle."""
        self._entries: dict[str, list[str]] = {}
        self._places: dict[str, tuple[Where, str]] = {}
        for layer in reversed(layers):
            for name, value in _table(layer, "groups").items():
                self._add(name, value, layer.where)
        for name in self._entries:
            self._expanded(name, ())

    def _add(self, name: str, value: object, where: Where) -> None:
        line = where.lines.of("groups", name)
        if not re.fullmatch(f"@{_NAME}", name):
            raise where.error(line, f'"{name}": a group\'s name begins with @: "@mine" = ["read"]')
        if name in groups.descriptions():
            raise where.error(line, f'"{name}" is a group already; give yours another name')
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise where.error(line, f'"{name}" must be a list of names: ["read", "@file-system"]')
        self._entries[name] = value
        self._places[name] = (where, name)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """Those of the profile and what it extends."""
        return list(self._entries)

    def entries(self, name: str) -> list[tuple[str, Where, int | None]]:
        """What a group holds, other groups of one's own resolved, and where each entry stands."""
        return self._expanded(name, ())

    def _expanded(self, name: str, within: tuple[str, ...]) -> list[tuple[str, Where, int | None]]:
        where, key = self._places[name]
        if name in within:
            circle = " holds ".join([*within, name])
            raise where.error(where.lines.of("groups", key), f"a circle of groups: {circle}")
        found: list[tuple[str, Where, int | None]] = []
        for index, entry in enumerate(self._entries[name]):
            if entry in self._entries:
                found += self._expanded(entry, (*within, name))
            else:
                line = where.lines.of_entry("groups", key, index=index)
                found.append((entry, where, line))
        return found


def near(name: str, own: OwnGroups) -> str:
    """A group that an unknown one may have been, or all there are."""
    known = [*own.names(), *groups.descriptions()]
    return did_you_mean(name, known) or f"; known: {', '.join(known)}"
