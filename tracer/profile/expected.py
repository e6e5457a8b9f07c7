"""What somebody expects of a profile: calls, by what is to become of them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import ProfileError
from tracer.profile import calls
from tracer.profile.lines import Lines
from tracer.profile.locate import read_bytes
from tracer.profile.parse import parse_action
from tracer.profile.where import Where

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.profile.calls import Call, Number

_FORM = 'an action and calls, such as allow = ["read", "socket(AF_UNIX, SOCK_STREAM)"]'


class Expected(NamedTuple):
    """One call of a table, and what is to become of it."""

    line: int | None
    """Where it stands in the table's file."""
    text: str
    """The call as it is written there."""
    call: Call
    action: str
    """As a profile writes it."""


def read(path: str, number: Number) -> tuple[Expected, ...]:
    """The calls in a table, a TOML file of lists of calls, each under the action it is to get.

    Raises ProfileError, with file and line, for what is no such table.
    """
    try:
        source = read_bytes(path).decode()
    except UnicodeDecodeError:
        raise ProfileError(f"{path}: is not UTF-8: save it so") from None
    where = Where(path, Lines(source))
    try:
        table = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise where.error(None, f"not valid TOML: {error}") from None
    found = tuple(_entries(table, where, number))
    if not found:
        raise where.error(None, f"there is no call in it; write {_FORM}")
    return found


def _entries(table: dict[str, object], where: Where, number: Number) -> Iterator[Expected]:
    for key, texts in table.items():
        action = str(parse_action(key, where.lines.of(key), where))
        if not isinstance(texts, list):
            raise where.error(where.lines.of(key), f"write {_FORM}")
        for index, text in enumerate(texts):
            line = where.lines.of_entry(key, index=index)
            if not isinstance(text, str):
                raise where.error(line, f"a call is a text in quotes, not {text!r}")
            try:
                yield Expected(line, text, calls.call(text, number), action)
            except ProfileError as error:
                raise where.error(line, str(error)) from None
