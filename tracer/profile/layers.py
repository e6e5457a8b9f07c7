"""A profile and what it extends: the texts, the nearest first, and where each was found.

A profile's ``source`` holds all of them, those that it extends as comments at its end. So what is
recorded of a run stands by itself, whatever becomes of the files.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.profile.lines import Lines
from tracer.profile.where import Where
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.errors import ProfileError

    Find = Callable[[str, str], "Found"]
    """From what ``extends`` says and the path of the profile that says it. Raises ProfileError."""

_MOST = 8
_HEAD = "#>> what this extends, as it was: "
_LINE = "#> "
# A text: re compiles it when it is first needed, which a start seldom does.
_TOML_LINE = r"(?s)^(.*) \(at line (\d+), column \d+\)$"


class Found(NamedTuple):
    """A profile that another one extends."""

    path: str
    source: str
    find: Find
    """Finds what it extends itself."""


class Layer(NamedTuple):
    """One of the texts, read as TOML."""

    table: dict[str, Any]
    where: Where


def layers(source: str, path: str, find: Find | None) -> tuple[str, list[Layer]]:
    """The source with all that it extends at its end, and the layers, the nearest first.

    ``find`` None: what it extends is at its end already. Raises ProfileError for a circle.
    """
    own, held = _parted(source)
    next_ = find or _held(held, path)
    found = [_layer(own, path)]
    whole = own
    seen = [path]
    while "extends" in found[-1].table:
        layer = found[-1]
        line = layer.where.lines.of("extends")
        name = layer.table["extends"]
        if not isinstance(name, str) or not name:
            raise layer.where.error(
                line, 'extends is the name or the path of one profile: "STRICT"'
            )
        parent = _found(next_, name, layer, line)
        if parent.path in seen or len(seen) > _MOST:
            circle = " extends ".join([*seen, parent.path])
            raise layer.where.error(line, f"a circle, or too many: {circle}")
        seen.append(parent.path)
        text, _ = _parted(parent.source)
        found.append(_layer(text, parent.path))
        whole = _with(whole, parent.path, text)
        next_ = parent.find
    return whole, found


def _found(find: Find, name: str, layer: Layer, line: int | None) -> Found:
    from tracer.errors import ProfileError

    try:
        return find(name, layer.where.path)
    except ProfileError as error:
        raise layer.where.error(line, f'extends = "{name}": {error}') from None


def _layer(text: str, path: str) -> Layer:
    where = Where(path, Lines(text))
    return Layer(_toml(text, where), where)


def _toml(text: str, where: Where) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = str(error), None
        if match := re.match(_TOML_LINE, message):
            message, line = match[1], int(match[2])
        raise where.error(line, f"not valid TOML: {message}") from None
    except RecursionError:
        raise where.error(None, "not a profile: nested too deep") from None


def _with(whole: str, path: str, text: str) -> str:
    end = "" if not whole or whole.endswith("\n") else "\n"
    lines = "".join(f"{_LINE}{line}\n" for line in text.split("\n"))
    return f"{whole}{end}{_HEAD}{printable(path)}\n{lines}"


def _parted(source: str) -> tuple[str, list[tuple[str, str]]]:
    """The text itself, and path and text of each that it extends, as ``_with`` put them there."""
    if _HEAD not in source:
        return source, []
    own, *blocks = re.split(rf"(?m)^{re.escape(_HEAD)}", source)
    held = []
    for block in blocks:
        path, *lines = block.removesuffix("\n").split("\n")
        kept = [line.removeprefix(_LINE) for line in lines if line.startswith(_LINE.rstrip())]
        held.append((path, "\n".join(kept)))
        own += "".join(f"{line}\n" for line in lines if not line.startswith(_LINE.rstrip()))
    return own, held


def held_behind(source: str) -> str:
    """The end of a source that holds what it extends; empty for most."""
    at = source.find(_HEAD)
    return source[at:] if at >= 0 else ""


def own_text(source: str) -> str:
    """A source without what it extends."""
    return _parted(source)[0]


def extended_path(source: str) -> str | None:
    """Where the profile that a source extends was found; None if it extends none."""
    _, held = _parted(source)
    return held[0][0] if held else None


def _held(held: list[tuple[str, str]], path: str) -> Find:
    left = iter(held)

    def find(name: str, _: str) -> Found:
        try:
            found = next(left)
        except StopIteration:
            raise _gone(name, path) from None
        return Found(*found, find)

    return find


def _gone(name: str, path: str) -> ProfileError:
    from tracer.errors import ProfileError

    return ProfileError(printable(f'"{name}" cannot be looked for from here ({path})'))
