"""Values of arguments for a person: ``domain AF_UNIX or AF_INET, type SOCK_STREAM``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.decode import value_texts
from tracer.profile.deciding import bits
from tracer.words import lookup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.profile.deciding import Way

_MOST_WORDS = 4


class Value(NamedTuple):
    """A value that one argument of a call had."""

    argument: int
    """0 to 5."""
    name: str
    """What the argument is called: ``domain``."""
    value: int
    """The value of the bits that are looked at."""
    words: str
    """``AF_UNIX``."""


def of_way(way: Way) -> tuple[Value, ...]:
    """The values of all arguments of one way to make a call."""
    _abi, call, numbers = way
    looked_at = bits(call, exact=False).items()
    values = [(index, mask, n) for (index, mask), n in zip(looked_at, numbers, strict=True)]
    return tuple(
        Value(index, _name(call, index), number, words)
        for (index, _mask, number), words in zip(values, value_texts(call, values), strict=True)
    )


def _name(call: str, index: int) -> str:
    return lookup.argument_name(call, index) or f"arg{index}"


def text(values: Iterable[Value]) -> str:
    """The values of each argument together, the first few of them."""
    found: dict[str, list[str]] = {}
    for each in values:
        found.setdefault(each.name, []).append(each.words)
    return ", ".join(f"{name} {_some(words)}" for name, words in found.items())


def _some(words: list[str]) -> str:
    more = len(words) - _MOST_WORDS
    return " or ".join(words[:_MOST_WORDS]) + (f" or {more} more" if more > 0 else "")


def way_text(way: Way) -> str:
    """One way to make a call."""
    return text(of_way(way))


class New(NamedTuple):
    """What is new in ways to make a call."""

    values: tuple[Value, ...]
    together: bool
    """Whether each of them was known, and only all of them together are new."""
    ways: tuple[Way, ...]


def of_ways(ways: Iterable[Way]) -> tuple[Value, ...]:
    """Each value of each argument once, by argument."""
    return tuple(sorted({value for way in ways for value in of_way(way)}))


def beyond(ways: Iterable[Way], known: Iterable[Way]) -> list[New]:
    """What is new in ways to make a call that are none of the known ones.

    Those with the same new values are one.
    """
    seen = set(of_ways(known))
    found: dict[tuple[Value, ...], list[Way]] = {}
    for way in sorted(ways):
        values = of_way(way)
        fresh = tuple(value for value in values if value not in seen)
        found.setdefault(fresh or values, []).append(way)
    return [New(values, set(values) <= seen, tuple(alike)) for values, alike in found.items()]
