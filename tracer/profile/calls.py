"""Calls as they are written: ``socket(AF_INET, SOCK_STREAM)``, ``i386:getpid``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile.where import did_you_mean
from tracer.text import printable
from tracer.words import lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
            printable(f'a call is written as socket(AF_INET, SOCK_STREAM), not "{text}"')
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


def with_values(made: Call, values: Sequence[str], number: Number) -> Call:
    """The call with arguments by their names, ``domain=AF_INET`` or ``arg0=2``; the others are 0.

    The names are those of conditions in a profile. Raises ProfileError, naming the part that is
    wrong.
    """
    if values and made.given is not None:
        raise ProfileError("give the arguments within the parentheses or by their names, not both")
    found: dict[int, int] = {}
    for text in values:
        name, equals, word = text.partition("=")
        if not equals:
            raise ProfileError(printable(f'an argument is written as domain=AF_INET, not "{text}"'))
        index = _index(made.name, name)
        if index in found:
            raise ProfileError(f'argument {index} of "{made.name}" is given twice')
        found[index] = _argument(word, number)
    args = tuple(found.get(index, 0) for index in range(_ARGUMENTS))
    return made._replace(args=args, given=max(found, default=-1) + 1) if found else made


def _index(call: str, name: str) -> int:
    numbered = re.fullmatch(r"arg([0-5])", name)
    known = None if numbered else lookup.argument(call, name)
    if numbered or known:
        return int(numbered[1]) if numbered else known.index  # type: ignore[union-attr] # one is there
    names = lookup.argument_names(call)
    hint = did_you_mean(name, names) or ""
    rest = f"; it has {', '.join(names)}" if names else "; use arg0 to arg5"
    raise ProfileError(printable(f'"{call}" has no argument "{name}"{hint}{rest}'))


def _argument(word: str, number: Number) -> int:
    value = number(word)
    if value is None:
        raise ProfileError(
            printable(f'unknown argument "{word}": give a number, or a word such as AF_INET')
        )
    return value
