"""Two sets of filters beside each other: which calls they answer differently, by what arguments.

What is compared is what the filters do with a call, on every way through both: two texts that
amount to the same are the same, and a difference comes with a call that shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import FilterError
from tracer.profile.cases import conditions, equalities, unnamed
from tracer.profile.verdicts import Verdict, verdict
from tracer.profile.ways import Way, joined, stacked
from tracer.profile.witness import example

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer.profile.machine import Program
    from tracer.profile.ways import Fact

_ALLOW = 0x7FFF_0000
_MOST_WAYS = 1 << 16
_MOST_WIDENED = 256


class Answers(NamedTuple):
    """What both sides say of one call."""

    a: Verdict
    b: Verdict

    @property
    def differ(self) -> bool:
        """Whether they are not the same answer, data included."""
        return self.a != self.b


class Case(NamedTuple):
    """Both answers where arguments decide on at least one side."""

    conditions: tuple[str, ...]
    """All must hold, as a profile writes them."""
    answers: Answers
    args: tuple[int, ...]
    """Six registers of a call that is answered like this, the smallest."""


class Difference(NamedTuple):
    """One call that the sides do not answer alike."""

    cases: tuple[Case, ...]
    """Where certain arguments decide; those that both answer alike stand here only if
    ``otherwise`` differs. Empty where no argument decides."""
    otherwise: Answers
    """For all other arguments."""


class Comparison(NamedTuple):
    """Both sides on one ABI."""

    abi: str
    total: int
    """Calls that have a name."""
    alike: int
    """Those that are answered alike, whatever the arguments."""
    calls: dict[str, Difference]
    """The others, by name; a number without a name is ``syscall_0x…``."""
    others: Difference | None
    """For numbers without a name, as most of them are answered; None if alike."""


def compare(a: Sequence[Program], b: Sequence[Program], abi: str) -> Comparison:
    """Both sides on an ABI; each is the filters of a task, the oldest first, or none at all.

    Raises FilterError for filters that cannot be followed: see ``ways``.
    """
    named = {name: syscalls.number(abi, name) or 0 for name in sorted(syscalls.names(abi))}
    found = {name: of_call(a, b, abi, nr) for name, nr in named.items()}
    first = syscalls.X32_BIT if abi == "x32" else 0
    free = {nr: of_call(a, b, abi, nr) for nr in unnamed([*a, *b], {*named.values()}, first)}
    usual = list(free.values())
    others = max(usual, key=usual.count)
    strange = {syscalls.name(abi, nr): each for nr, each in free.items() if each and each != others}
    calls = {name: each for name, each in {**found, **strange}.items() if each}
    alike = sum(each is None for each in found.values())
    return Comparison(abi, len(named), alike, calls, others)


def of_call(a: Sequence[Program], b: Sequence[Program], abi: str, nr: int) -> Difference | None:
    """How the sides differ about one call; None if they do not. Raises FilterError as above."""
    found = _both(_ways(a, abi, nr), _ways(b, abi, nr))
    if not any(answers.differ for _, answers in found):
        return None
    otherwise = _otherwise(found)
    shown = [
        (facts, answers)
        for facts, answers in found
        if answers != otherwise and (answers.differ or otherwise.differ)
    ]
    cases = {
        Case(conditions(facts), answers, example(facts) or (0,) * 6)
        for facts, answers in _widened(shown, found)
    }
    return Difference(tuple(sorted(cases, key=lambda case: case.args)), otherwise)


_Both = list[tuple[tuple["Fact", ...], Answers]]


def _ways(filters: Sequence[Program], abi: str, nr: int) -> tuple[Way, ...]:
    return stacked(filters, abi, nr) if filters else (Way((), _ALLOW),)


def _both(a: Sequence[Way], b: Sequence[Way]) -> _Both:
    """Each way through the one with each through the other that some call can take."""
    if len(a) * len(b) > _MOST_WAYS:
        raise FilterError(f"the filters have more than {_MOST_WAYS} ways for one call together")
    return [way for way in _possible(a, b) if example(way[0]) is not None]


def _possible(a: Sequence[Way], b: Sequence[Way]) -> Iterator[tuple[tuple[Fact, ...], Answers]]:
    for one in a:
        for other in b:
            facts = joined(one.facts, other.facts)
            if facts is not None:
                yield facts, Answers(verdict(one.value), verdict(other.value))


def _widened(shown: _Both, found: _Both) -> _Both:
    """Ways of ``found`` without the facts that no other answer hangs on.

    Filters ask in different orders, and of one word in several steps: what is said is what counts.
    Beyond some hundred ways they are left as they are, which is right as well, and longer.
    """
    if len(found) > _MOST_WIDENED:
        return shown
    others = {
        answers: [(way, frozenset(way)) for way, theirs in found if theirs != answers]
        for _, answers in shown
    }
    return [(_needed(facts, others[answers]), answers) for facts, answers in shown]


def _needed(
    facts: tuple[Fact, ...], others: Sequence[tuple[tuple[Fact, ...], frozenset[Fact]]]
) -> tuple[Fact, ...]:
    """Those without which a call could go one of the other ways; equalities go last."""
    for fact in sorted(facts, key=lambda fact: equalities([fact])):
        fewer = tuple(each for each in facts if each != fact)
        denied = frozenset(each._replace(holds=not each.holds) for each in fewer)
        if all(denied & known or joined(way, fewer) is None for way, known in others):
            facts = fewer
    return facts


def _otherwise(found: _Both) -> Answers:
    """The answers to name last: those of the way on which the fewest equalities hold."""
    least = min(equalities(facts) for facts, _ in found)
    candidates = [answers for facts, answers in found if equalities(facts) == least]
    return max(candidates, key=candidates.count)
