"""Calls as they are written: ``socket(AF_INET, SOCK_STREAM)``, ``i386:getpid``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile.where import did_you_mean, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    Number = Callable[[str], int | None]
    """What a word such as AF_INET stands for; None if it is not known."""

_CALL = r"(?:(?P<abi>\w+):)?(?P<name>\w+)\s*(?P<parenthesis>\((?P<args>[^()]*)\))?"
_ARGUMENTS = 6


class Call(NamedTuple):
    """One call, as a filter sees it."""

    abi: str
    nr: int
    name: str
    args: tuple[int, ...]
    """Six registers; those that were not given are 0."""
    given: int | None
    """How many were given; None if the call was written without parentheses."""


def call(text: str, number: Number) -> Call:
    """The call that a text stands for. Raises ProfileError, naming the part that is wrong."""
    match = re.fullmatch(_CALL, text.strip())
    if match is None:
        raise ProfileError(
            visible(f'a call is written as socket(AF_INET, SOCK_STREAM), not "{text}"')
        )
    abi, name = match["abi"] or syscalls.native_abi(), match["name"]
    if abi not in syscalls.ABIS:
        hint = did_you_mean(abi, syscalls.ABIS) or f"; known: {', '.join(syscalls.ABIS)}"
        raise ProfileError(f'unknown ABI "{abi}"{hint}')
    nr = syscalls.number(abi, name)
    if nr is None:
        hint = did_you_mean(name, syscalls.names(abi))
        raise ProfileError(f'unknown syscall "{name}" on {abi}{hint}')
    words = [word.strip() for word in (match["args"] or "").split(",")]
    given = [] if words == [""] else [_argument(word, number) for word in words]
    if len(given) > _ARGUMENTS:
        raise ProfileError(f'"{name}" is given {len(given)} arguments, and no call has more than 6')
    args = (*given, *[0] * (_ARGUMENTS - len(given)))
    return Call(abi, nr, name, args, len(given) if match["parenthesis"] else None)


def _argument(word: str, number: Number) -> int:
    value = number(word)
    if value is None:
        raise ProfileError(
            visible(f'unknown argument "{word}": give a number, or a word such as AF_INET')
        )
    return value
