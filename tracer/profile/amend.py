"""What runs needed, added to a profile that a person wrote: what stands there stays as it is."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile import learned_file
from tracer.profile.layers import held_behind, own_text
from tracer.profile.parse import parse
from tracer.profile.rewrite import rewritten
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile.learn import Entry, Learned, Values
    from tracer.profile.learned_file import Words
    from tracer.profile.records import Profile


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
    plain = {entry.name: printable(entry.comment) for entry in added if not entry.ways}
    table = tomllib.loads(source)
    table["allow"] = [*table.get("allow", ()), *plain]
    text = rewritten(source, table, plain) if plain else source
    rules = [entry for entry in added if entry.ways]
    if not rules:
        return text
    return text.rstrip("\n") + "\n" + "\n".join(learned_file.rules(rules, words, count)) + "\n"
