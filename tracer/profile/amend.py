"""What runs needed, added to a profile that a person wrote: what stands there stays as it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import learned_file
from tracer.profile.layers import held_behind, own_text
from tracer.profile.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer.profile.learn import Entry, Learned, Values
    from tracer.profile.learned_file import Words
    from tracer.profile.records import Profile

_TOKEN = re.compile(
    r"""\#[^\n]* | \"\"\".*?\"\"\" | '''.*?''' | "(?:\\.|[^"\\\n])*" | '[^'\n]*' | . """,
    re.VERBOSE | re.DOTALL,
)


class Amended(NamedTuple):
    """A profile with what was missing."""

    text: str
    added: tuple[Entry, ...]
    kept: tuple[tuple[Entry, int], ...]
    """What is needed and refused by a line of the profile, which is left to its author."""


def amend(profile: Profile, found: Learned, count: int, words: Words | None = None) -> Amended:
    """The profile with each learned entry that only ``default_action`` refuses.

    ``count``: the runs that it was learned from. Raises ProfileError if that contradicts an entry.
    """
    added: list[Entry] = []
    kept: list[tuple[Entry, int]] = []
    for entry in (*found.entries, *found.unseen):
        if entry.action == "allow":
            missing, line = _missing(profile, entry)
            if line is not None:
                kept.append((entry, line))
            elif missing is not None:
                added.append(missing)
    own = own_text(profile.source)
    text = _with(own, added, words, count)
    parse(text + held_behind(profile.source), profile.path)
    return Amended(text, tuple(added), tuple(kept))


def _missing(profile: Profile, entry: Entry) -> tuple[Entry | None, int | None]:
    """What of an entry the profile does not allow; and the line that refuses it, if one does."""
    nr = syscalls.number(profile.abis[0], entry.name)
    if nr is None:
        return None, None
    refused: list[Values] = []
    for values in entry.ways or ((),):
        decision = profile.decide(profile.abis[0], nr, _registers(values))
        if not decision.action.permits:
            if decision.rule is not None:
                return None, decision.rule.line
            refused.append(values)
    if not refused:
        return None, None
    return entry._replace(ways=tuple(refused) if entry.ways else (), runs=()), None


def _registers(values: Values) -> tuple[int, ...]:
    known = {index: value for index, _mask, value in values}
    return tuple(known.get(index, 0) for index in range(6))


def _with(source: str, added: Sequence[Entry], words: Words | None, count: int) -> str:
    plain = [entry for entry in added if not entry.ways]
    text = _in_allow(source, list(learned_file.lines(plain))) if plain else source
    rules = [entry for entry in added if entry.ways]
    if not rules:
        return text
    return text.rstrip("\n") + "\n" + "\n".join(learned_file.rules(rules, words, count)) + "\n"


def _in_allow(source: str, lines: Iterable[str]) -> str:
    """The text with lines more at the end of its list ``allow``, or with such a list."""
    block = "\n".join(lines) + "\n"
    place = _end_of_allow(source)
    if place is None:
        head = re.search(r"^\[", source, re.MULTILINE)
        at = head.start() if head else len(source)
        return f"{source[:at]}allow = [\n{block}]\n\n{source[at:]}"
    last, end = place
    comma = "" if source[last] in ",[" else ","
    between = source[last + 1 : end].rstrip(" \t")
    newline = "" if between.endswith("\n") else "\n"
    return f"{source[: last + 1]}{comma}{between}{newline}{block}{source[end:]}"


def _end_of_allow(source: str) -> tuple[int, int] | None:
    """Where the last thing in the top-level list ``allow`` ends, and where its bracket closes."""
    begin = re.search(r"^\s*allow\s*=\s*\[", source, re.MULTILINE)
    table = re.search(r"^\s*\[", source, re.MULTILINE)
    if begin is None or (table and table.start() < begin.start()):
        return None
    last = begin.end() - 1
    for token in _TOKEN.finditer(source, begin.end()):
        if token.group() == "]":
            return last, token.start()
        if not token.group().isspace() and not token.group().startswith("#"):
            last = token.end() - 1
    return None
