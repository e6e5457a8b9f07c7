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
_PARTLY_NAMED = {("socket_type", 0xF)}
"""Kinds and masks under which the values have names, beside the bits of ``prot``."""


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
    subject, _, value = match[0].rpartition(" == ")
    named = _kind(name, int(match[1])) in _NAMED and match[2] in {None, "0xffffffff"}
    return f"{_subject(name, subject)} == {words if named else _word(name, subject, value)}"


def _subject(name: str, argument: str) -> str:
    """An int by the name of the argument; what is compared in another width stays as it is."""
    index, mask = _split(argument)
    called = lookup.argument_name(name, index)
    if called is None or mask is None:
        return argument
    if mask == _WORD:
        return called
    kind = _kind(name, index)
    if (kind, mask) not in _PARTLY_NAMED and kind != "prot":
        return argument
    return f"{called} & {KINDS[kind](mask) if kind == 'prot' else hex(mask)}"


def _split(argument: str) -> tuple[int, int | None]:
    """The number of the argument, and the mask if there is one: of ``arg0 & 0xf``."""
    register, _, mask = argument.partition(" & ")
    return int(register.removeprefix("arg") or 0), int(mask, 0) if mask else None


def _kind(name: str, index: int) -> str:
    kinds = SIGNATURES.get(name, ())
    return kinds[index] if index < len(kinds) else ""


def _listed(words: list[str], whole: bool) -> str:
    shown = words if whole else words[:_MOST_VALUES]
    left = len(words) - len(shown)
    return " or ".join(shown) + (f" or {left} more (--all)" if left else "")


def _word(name: str, argument: str, value: str) -> str:
    """The value by its name, where it is a command or an int that has one."""
    index, mask = _split(argument)
    kind, number = _kind(name, index), int(value, 0)
    if mask not in (None, _WORD):
        named = kind == "prot" or (kind, mask) in _PARTLY_NAMED
        return KINDS[kind](number) if named and number else value
    return KINDS[kind](number) if kind in _NAMED else value
