"""Conditions on arguments for a person: values by their names, those of one argument together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer.decode import value_texts
from tracer.decode.signatures import SIGNATURES
from tracer.decode.values import KINDS
from tracer.words import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_VALUES = 8
_WORD = 0xFFFF_FFFF
_EQUAL = re.compile(r"arg([0-5])(?: & (0x[0-9a-f]+))? == (0x[0-9a-f]+|[0-9]+)")
_NAMED = frozenset(
    (
        *("advice", "bpf", "epoll", "family", "fcntl", "futex", "ioctl", "level", "option"),
        *("prctl", "ptrace", "resource", "seccomp", "shutdown", "whence", "clock"),
    )
)
"""Kinds of argument whose values are names, not flags or numbers."""


def grouped(
    name: str, cases: Sequence[tuple[str, tuple[str, ...]]], *, whole: bool
) -> Iterator[tuple[str, str]]:
    """What is answered and when; of ``cases`` each is an answer and what must hold for it.

    Those that ask one argument for one value stand together, ``whole`` or only the first ones.
    """
    values: dict[tuple[str, str], list[str]] = {}
    for answer, (first, *more) in cases:
        argument, sign, value = first.partition(" == ")
        if sign and not more:
            values.setdefault((answer, argument), []).append(_word(name, argument, value))
    for (answer, argument), words in values.items():
        yield answer, f"{_subject(name, argument)} == {_listed(words, whole)}"
    for answer, held in cases:
        if len(held) > 1 or " == " not in held[0]:
            yield answer, " and ".join(_in_words(name, held))


def _in_words(name: str, held: Sequence[str]) -> list[str]:
    """Conditions that hold together: an option of a socket is named by its level."""
    parsed = [_EQUAL.fullmatch(text) for text in held]
    values = [
        (int(match[1]), int(match[2] or hex(_WORD), 0), int(match[3], 0))
        for match in parsed
        if match
    ]
    words = iter(value_texts(name, values))
    return [
        _of_value(name, match, next(words)) if match else text
        for match, text in zip(parsed, held, strict=True)
    ]


def _of_value(name: str, match: re.Match[str], words: str) -> str:
    kinds, index = SIGNATURES.get(name, ()), int(match[1])
    whole = match[2] in {None, "0xffffffff"}
    named = whole and index < len(kinds) and kinds[index] in _NAMED
    subject, _, value = match[0].rpartition(" == ")
    return f"{_subject(name, subject)} == {words if named else value}"


def _subject(name: str, argument: str) -> str:
    """An int by the name of the argument; what is compared in another width stays as it is."""
    register, _, mask = argument.partition(" & ")
    if mask != "0xffffffff":
        return argument
    return lookup.argument_name(name, int(register.removeprefix("arg"))) or argument


def _listed(words: list[str], whole: bool) -> str:
    shown = words if whole else words[:_MOST_VALUES]
    left = len(words) - len(shown)
    return " or ".join(shown) + (f" or {left} more (--all)" if left else "")


def _word(name: str, argument: str, value: str) -> str:
    """The value by its name, where it is a command or an int that has one."""
    register, _, mask = argument.partition(" & ")
    kinds, index = SIGNATURES.get(name, ()), int(register.removeprefix("arg") or 0)
    if mask not in ("", "0xffffffff") or index >= len(kinds) or kinds[index] not in _NAMED:
        return value
    return KINDS[kinds[index]](int(value, 0))
