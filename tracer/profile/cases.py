"""What filters do with one call, in conditions as a profile writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import machine
from tracer.profile.verdicts import Verdict, verdict
from tracer.profile.ways import fixed, stacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer.profile.machine import Program
    from tracer.profile.ways import Fact, Way

_WORD = 0xFFFF_FFFF
_SIGNS = {
    (machine.EQUAL, True): "==",
    (machine.EQUAL, False): "!=",
    (machine.GREATER, True): ">",
    (machine.GREATER, False): "<=",
    (machine.GREATER_OR_EQUAL, True): ">=",
    (machine.GREATER_OR_EQUAL, False): "<",
}


class Case(NamedTuple):
    """One answer, and when it is given."""

    conditions: tuple[str, ...]
    """All must hold: ``arg0 == 1``. The upper half of a register is written ``arg0 >> 32``."""
    verdict: Verdict


class Cases(NamedTuple):
    """Every answer that filters have for a call."""

    cases: tuple[Case, ...]
    """Those of certain arguments; empty where no argument decides."""
    otherwise: Verdict


class Surface(NamedTuple):
    """What filters do with every call of an ABI."""

    abi: str
    calls: dict[str, Cases]
    """By name; a number without a name only where it is not answered as ``others``."""
    others: Cases
    """For the numbers that have no name."""


def surface(filters: Sequence[Program], abi: str) -> Surface:
    """What the filters of a task do with each call of an ABI; ``filters``: the oldest first.

    Raises FilterError for filters that cannot be followed: see ``ways``.
    """
    named = {name: syscalls.number(abi, name) or 0 for name in sorted(syscalls.names(abi))}
    first = syscalls.X32_BIT if abi == "x32" else 0
    free = unnamed(filters, set(named.values()), first)
    answers = {nr: of_call(filters, abi, nr) for nr in free}
    others = _most(list(answers.values()))
    strange = {syscalls.name(abi, nr): found for nr, found in answers.items() if found != others}
    calls = {name: of_call(filters, abi, nr) for name, nr in named.items()}
    return Surface(abi, {**calls, **strange}, others)


def of_call(filters: Sequence[Program], abi: str, nr: int) -> Cases:
    """What they do with one call. Raises FilterError as ``surface`` does."""
    found = stacked(filters, abi, nr)
    otherwise = _otherwise(found)
    cases = [
        Case(conditions(way.facts), verdict(way.value)) for way in found if way.value != otherwise
    ]
    return Cases(tuple(dict.fromkeys(cases)), verdict(otherwise))


def unnamed(filters: Sequence[Program], named: set[int], first: int) -> list[int]:
    """Numbers without a name, one at least of each stretch that filters may tell apart."""
    edges = {
        instruction.k + step
        for found in filters
        for instruction in found
        if instruction.is_test
        for step in (-1, 0, 1)
    }
    last = max(named)
    tried = {nr for nr in (*edges, last + 1, last + 100, first + 0x3FFF_FFFF) if nr >= first}
    bound = first + 0x4000_0000
    return sorted(nr for nr in tried if nr < bound and nr not in named)


def _most(found: list[Cases]) -> Cases:
    """The most frequent one; the first, if several are as frequent."""
    return max(found, key=found.count)


def _otherwise(found: Sequence[Way]) -> int:
    """The answer to name last: that of the way on which the fewest equalities hold.

    If there are several such answers: the most frequent one, and one that refuses first.
    """
    counts: dict[int, int] = {}
    for way in found:
        counts[way.value] = counts.get(way.value, 0) + 1
    least = min(equalities(way.facts) for way in found)
    candidates = [way.value for way in found if equalities(way.facts) == least]
    return max(candidates, key=lambda value: (counts[value], not verdict(value).permits))


def equalities(facts: Sequence[Fact]) -> int:
    """How many of the facts say that a word has a certain value."""
    return sum(fact.operation == machine.EQUAL and fact.holds for fact in facts)


def conditions(facts: Sequence[Fact]) -> tuple[str, ...]:
    """The facts of a way as conditions on arguments, without what others imply."""
    places = sorted({fact.word.at for fact in facts})
    done: set[int] = set()
    texts: list[str] = []
    for at in places:
        if at not in done:
            low = at - (at - machine.ARGS_AT) % 8 if at >= machine.ARGS_AT else at
            done |= {low, low + 4}
            texts += _of_argument(low, facts)
    return tuple(texts)


def _of_argument(low: int, facts: Sequence[Fact]) -> Iterator[str]:
    """Of both words of an argument, or of the instruction pointer."""
    name = f"arg{(low - machine.ARGS_AT) // 8}" if low >= machine.ARGS_AT else "ip"
    lower = [fact for fact in facts if fact.word.at == low]
    upper = [fact for fact in facts if fact.word.at == low + 4]
    (mask, value), (upper_mask, upper_value) = (fixed(lower) or (0, 0), fixed(upper) or (0, 0))
    if whole := upper_mask << 32 | mask:
        yield _equality(name, whole, upper_value << 32 | value)
    for word, fixed_mask, group in ((name, mask, lower), (f"{name} >> 32", upper_mask, upper)):
        for fact in group:
            if (fact.word.mask & ~fixed_mask) and not _is_equality(fact):
                yield _comparison(word, word == name, fact)


def _is_equality(fact: Fact) -> bool:
    """Whether it is one of those that ``fixed`` sums up."""
    return (fact.operation == machine.EQUAL) == fact.holds and fact.operation in (
        machine.EQUAL,
        machine.ANY_BIT,
    )


def _equality(name: str, mask: int, value: int) -> str:
    masked = "" if mask == (1 << 64) - 1 else f" & {mask:#x}"
    return f"{name}{masked} == {_readable(value)}"


def _comparison(word: str, is_lower: bool, fact: Fact) -> str:
    mask = fact.word.mask
    if fact.operation == machine.ANY_BIT:  # one that does not hold is an equality
        return f"{word} & {mask & fact.k:#x} != 0"
    masked = f" & {mask:#x}" if mask != _WORD or is_lower else ""
    return f"{word}{masked} {_SIGNS[fact.operation, fact.holds]} {_readable(fact.k)}"


def _readable(value: int) -> str:
    return str(value) if value < 1024 else f"{value:#x}"
