"""What a profile's filter would have done with a recorded call, as far as its arguments are known.

Pure: nothing is started, and no call is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import machine
from tracer.profile.calls import Call
from tracer.profile.reason import by_arguments, reason
from tracer.profile.verdicts import verdict
from tracer.profile.ways import ways

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.profile.machine import Program
    from tracer.profile.records import Profile
    from tracer.profile.ways import Way

_WORD = 0xFFFF_FFFF


class Answer(NamedTuple):
    """What would have become of a call."""

    permits: bool | None
    """None: it depends on arguments that were not recorded."""
    action: str
    """As a profile writes it; all that are possible, where it is not known."""
    line: int | None
    """The line of the profile; None where no entry decides, or it is not known which."""
    reason: str


ALLOWED = Answer(True, "allow", None, "the profile restricts nothing")


def answer(
    profile: Profile, compiled: Program, abi: str, nr: int, known: Mapping[int, int]
) -> Answer:
    """The answer to a call; ``known``: argument -> its register, as far as it was recorded.

    ``compiled``: the profile's filter; without an instruction it restricts nothing. Raises
    FilterError as ``ways`` does.
    """
    if not compiled:
        return ALLOWED
    possible = [way for way in ways(compiled, abi, nr) if _agrees(way, known)]
    verdicts = {verdict(way.value) for way in possible}
    permits = {each.permits for each in verdicts}
    actions = ", ".join(sorted(map(str, verdicts)))
    call = _call(abi, nr, known)
    if len(permits) > 1:
        lines = ", ".join(dict.fromkeys(str(rule.line) for rule in by_arguments(profile, call)))
        return Answer(None, actions, None, f"arguments decide (line {lines}), not recorded")
    why = reason(profile, call)
    return Answer(permits.pop(), actions, why.line, why.words)


def _call(abi: str, nr: int, known: Mapping[int, int]) -> Call:
    args = tuple(known.get(index, 0) for index in range(6))
    named = syscalls.abi_of(abi, nr)
    return Call(named, nr, syscalls.name(named, nr), args, len(known) or None)


def _agrees(way: Way, known: Mapping[int, int]) -> bool:
    """Whether a call with these arguments may go this way."""
    return all(
        fact.is_true_of(word)
        for fact in way.facts
        if (word := _word(fact.word.at, known)) is not None
    )


def _word(at: int, known: Mapping[int, int]) -> int | None:
    """The 32-bit word at an offset of seccomp_data; None if it was not recorded."""
    index, upper = divmod(at - machine.ARGS_AT, 8)
    if at < machine.ARGS_AT or index not in known:
        return None
    return known[index] >> 32 if upper else known[index] & _WORD
