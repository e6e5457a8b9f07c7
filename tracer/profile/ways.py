"""Every way through a seccomp filter for one call, whatever its arguments are.

A filter has no loops, so there are finitely many: each is the comparisons of argument words that
lead along it, and the answer at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import FilterError
from tracer.profile import machine
from tracer.profile.verdicts import strictest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracer.profile.machine import Instruction, Program

_WORD = 0xFFFF_FFFF
_MOST_WAYS = 4096


class Word(NamedTuple):
    """A 32-bit word of seccomp_data that is not known, under a mask."""

    at: int
    """Its offset."""
    mask: int = _WORD


class Differs(NamedTuple):
    """What is 0 just where each word has its value: words exclusive-or their values, in or."""

    words: tuple[tuple[Word, int], ...]


class Fact(NamedTuple):
    """A comparison of a word that holds, or does not."""

    word: Word
    operation: int
    """One of ``machine.TESTS``."""
    k: int
    holds: bool

    def is_true_of(self, value: int) -> bool:
        """Whether a value of the whole word agrees with it."""
        found = machine.compare(self.operation, value & self.word.mask, self.k)
        return found == self.holds


class Way(NamedTuple):
    """One way: where all ``facts`` are true of a call, the answer is ``value``."""

    facts: tuple[Fact, ...]
    value: int
    """SECCOMP_RET_… with its data."""


class _State(NamedTuple):
    at: int
    a: int | Word | Differs
    x: int | Word | Differs
    memory: tuple[int | Word | Differs, ...]
    facts: tuple[Fact, ...]


def ways(found: Program, abi: str, nr: int) -> tuple[Way, ...]:
    """The ways of a call through one filter, in no particular order; at least one.

    Raises FilterError for a filter that calculates with arguments otherwise than by a mask, or
    has thousands of ways for one call: none that a tool makes is like that.
    """
    begin = _State(0, 0, 0, (0,) * 16, ())
    open_, done = [begin], []
    while open_:
        state = open_.pop()
        while True:
            instruction = found[state.at]
            if instruction.code in (machine.RETURN, machine.RETURN_A):
                done.append(Way(state.facts, _answer(instruction, state)))
                break
            following = list(_after(instruction, state, abi, nr))
            if not following:
                break
            state = following[0]
            open_ += following[1:]
        if len(open_) + len(done) > _MOST_WAYS:
            raise FilterError(f"the filter has more than {_MOST_WAYS} ways for one call")
    return tuple(done)


def stacked(filters: Sequence[Program], abi: str, nr: int) -> tuple[Way, ...]:
    """The ways of a call through all filters of a task, the oldest first.

    Raises FilterError as ``ways`` does.
    """
    combined: list[tuple[tuple[Fact, ...], tuple[int, ...]]] = [((), ())]
    for found in filters:
        combined = [
            (facts, (way.value, *values))
            for known, values in combined
            for way in ways(found, abi, nr)
            if (facts := joined(known, way.facts)) is not None
        ]
        if len(combined) > _MOST_WAYS:
            raise FilterError(f"the filters have more than {_MOST_WAYS} ways for one call")
    return tuple(Way(facts, strictest(values)) for facts, values in combined)


def joined(known: tuple[Fact, ...], more: tuple[Fact, ...]) -> tuple[Fact, ...] | None:
    """Both together; None where no value can agree with them."""
    for fact in more:
        if fact not in known:
            if not _is_possible(known, fact):
                return None
            known = (*known, fact)
    return known


def _answer(instruction: Instruction, state: _State) -> int:
    if instruction.code == machine.RETURN:
        return instruction.k
    return _number(state.a)


def _number(value: int | Word | Differs) -> int:
    if not isinstance(value, int):
        raise FilterError("the filter calculates with arguments in a way that is not followed")
    return value


def _after(instruction: Instruction, state: _State, abi: str, nr: int) -> Iterator[_State]:
    """The states that follow: two of a test whose outcome is open."""
    at = state.at + 1
    if instruction.is_test:
        yield from _tested(instruction, state)
    elif instruction.code == machine.JUMP:
        yield state._replace(at=at + instruction.k)
    elif instruction.is_calculation:
        yield state._replace(at=at, a=_calculated(instruction, state))
    else:
        yield _moved(instruction, state, abi, nr)._replace(at=at)


def _tested(instruction: Instruction, state: _State) -> Iterator[_State]:
    k = _number(state.x) if instruction.is_by_x else instruction.k
    if isinstance(state.a, Differs):
        yield from _compared(state.a, instruction, state, k)
        return
    outcomes = (True, False)
    if not isinstance(state.a, Word):
        outcomes = (machine.compare(instruction.operation, state.a, k),)  # type: ignore[assignment] # one is enough
    for holds in outcomes:
        at = state.at + 1 + (instruction.when_true if holds else instruction.when_false)
        if not isinstance(state.a, Word):
            yield state._replace(at=at)
            continue
        facts = joined(state.facts, (Fact(state.a, instruction.operation, k, holds),))
        if facts is not None:
            yield state._replace(at=at, facts=facts)


def _compared(found: Differs, instruction: Instruction, state: _State, k: int) -> Iterator[_State]:
    """The states after all words were compared at once: each may be the first that differs."""
    if instruction.operation != machine.EQUAL or k:
        _number(found)
    before: tuple[Fact, ...] = ()
    for word, value in found.words:
        differs = Fact(word, machine.EQUAL, value, holds=False)
        yield from _known(state, instruction.when_false, (*before, differs))
        before = (*before, differs._replace(holds=True))
    yield from _known(state, instruction.when_true, before)


def _known(state: _State, skipped: int, more: tuple[Fact, ...]) -> Iterator[_State]:
    facts = joined(state.facts, more)
    if facts is not None:
        yield state._replace(at=state.at + 1 + skipped, facts=facts)


def _calculated(instruction: Instruction, state: _State) -> int | Word | Differs:
    if (differs := _differs(instruction, state)) is not None:
        return differs
    other = _number(state.x) if instruction.is_by_x else instruction.k
    if isinstance(state.a, Word):
        if instruction.operation == machine.AND:
            mask = state.a.mask & other
            return Word(state.a.at, mask) if mask else 0
        return _number(state.a)
    if instruction.operation == machine.DIVIDE and other == 0:
        raise FilterError("the filter divides by 0")
    return machine.calculate(instruction.operation, _number(state.a), other)


def _differs(instruction: Instruction, state: _State) -> Differs | None:
    """What the comparison of a secret comes to so far; None for any other calculation."""
    a, x = state.a, state.x
    if isinstance(a, Word) and instruction.operation == machine.XOR and not instruction.is_by_x:
        return Differs(((a, instruction.k),))
    both = isinstance(a, Differs) and isinstance(x, Differs) and instruction.is_by_x
    if both and instruction.operation == machine.OR:
        return Differs((*a.words, *x.words))  # type: ignore[union-attr] # mypy does not see `both`
    return None


def _moved(instruction: Instruction, state: _State, abi: str, nr: int) -> _State:
    if instruction.code == machine.LOAD:
        return state._replace(a=_loaded(instruction.k, abi, nr))
    if instruction.code == machine.NEGATE:
        return state._replace(a=-_number(state.a) & _WORD)
    a, x, memory = machine.moved(instruction, state.a, state.x, state.memory)
    return state._replace(a=a, x=x, memory=memory)


def _loaded(at: int, abi: str, nr: int) -> int | Word:
    if at == machine.NR_AT:
        return nr & _WORD
    return syscalls.AUDIT_ARCH[abi] if at == machine.ARCH_AT else Word(at)


def _is_possible(known: Sequence[Fact], fact: Fact) -> bool:
    """False only where no value of the word agrees with all that is known and this."""
    facts = [*(other for other in known if other.word.at == fact.word.at), fact]
    bits = fixed(facts)
    if bits is None:
        return False
    mask, value = bits
    if mask == _WORD:
        return all(each.is_true_of(value) for each in facts)
    low, high = between(facts)
    if low == high:
        return all(each.is_true_of(low) for each in facts)
    return low < high and not any(_is_denied(each, mask, value) for each in facts)


def fixed(facts: Sequence[Fact]) -> tuple[int, int] | None:
    """The bits of a word that equalities fix, and their values; None if they contradict."""
    mask = value = 0
    for fact in facts:
        if fact.operation == machine.EQUAL and fact.holds:
            common = mask & fact.word.mask
            if fact.k & ~fact.word.mask or (value ^ fact.k) & common:
                return None
            mask |= fact.word.mask
            value |= fact.k
        elif fact.operation == machine.ANY_BIT and not fact.holds:
            cleared = fact.word.mask & fact.k
            if value & cleared:
                return None
            mask |= cleared
    return mask, value


def _is_denied(fact: Fact, mask: int, value: int) -> bool:
    """Whether bits that are fixed already say that the fact is not true."""
    looked_at = fact.word.mask & (fact.k if fact.operation == machine.ANY_BIT else _WORD)
    return looked_at & ~mask == 0 and not fact.is_true_of(value)


def between(facts: Sequence[Fact]) -> tuple[int, int]:
    """Between which values the comparisons by order leave a whole word."""
    low, high = 0, _WORD
    for fact in facts:
        if fact.word.mask != _WORD or fact.operation not in (
            machine.GREATER,
            machine.GREATER_OR_EQUAL,
        ):
            continue
        least = fact.k + (fact.operation == machine.GREATER)
        if fact.holds:
            low = max(low, least)
        else:
            high = min(high, least - 1)
    excluded = {
        fact.k
        for fact in facts
        if fact.operation == machine.EQUAL and not fact.holds and fact.word.mask == _WORD
    }
    while low in excluded:
        low += 1
    while high in excluded:
        high -= 1
    return low, high
