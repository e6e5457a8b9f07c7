"""Conditions written in the kernel's words: ``socket.domain == AF_UNIX``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer import decode
from tracer.errors import ProfileError
from tracer.profile.lines import Lines
from tracer.profile.where import Where
from tracer.profile.wording import Context, parse_condition
from tracer.words import lookup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.records import Condition


def spoken(call: str, conditions: Sequence[Condition], abis: Sequence[str]) -> list[str]:
    """Equalities that hold together, as a profile for these ABIs may have them.

    In words where there are some that mean the same to it, else by the number of the argument.
    """
    values = [(each.index, each.mask, each.value) for each in conditions]
    words = decode.value_texts(call, values)
    return [_spoken(call, *pair, abis) for pair in zip(conditions, words, strict=True)]


def _spoken(call: str, condition: Condition, word: str, abis: Sequence[str]) -> str:
    name = lookup.argument_name(call, condition.index)
    text = f"{call}.{name} == {word}"
    context = Context(Where("", Lines("")), [call], tuple(abis), {})
    try:
        same = parse_condition(text, None, context) == [condition]
    except ProfileError:  # no argument, no word, or not on each of the ABIs
        same = False
    return text if same else str(condition)
