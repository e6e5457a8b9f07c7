"""Names and groups in a profile's lists: resolved, and free of contradictions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import groups
from tracer.profile.records import Action, Profile, Rule, Skipped, narrower
from tracer.profile.where import did_you_mean

if TYPE_CHECKING:
    from tracer.profile.where import Where

_LIST_FORM = 'must be a list of names such as ["read", "@file-system"]'
_Path = tuple[str | int, ...]


class NameList:
    """Resolves the entries of a profile's lists for its ABIs, and keeps what it left out."""

    def __init__(self, abis: tuple[str, ...], where: Where) -> None:
        self.abis = abis
        self._where = where
        self.skipped: list[Skipped] = []

    @cached_property
    def _names(self) -> frozenset[str]:
        """Every name of the profile's ABIs, whose tables a profile without groups need not load."""
        return frozenset().union(*(syscalls.names(abi) for abi in self.abis))

    def entries(self, value: object, path: _Path, action: Action) -> list[Rule]:
        """A rule for each entry of a list. Raises ProfileError for a name that nothing has."""
        rules = []
        for index, entry in enumerate(self._strings(value, path)):
            line = self._where.lines.of_entry(*path, index=index) or 1
            covered = self._group(entry, line) if entry.startswith("@") else self._one(entry, line)
            if covered:
                rules.append(Rule(line, entry, action, covered))
        return rules

    def rule_syscalls(self, value: object, path: _Path) -> frozenset[str]:
        """The names of a ``[[rule]]``; a group is refused, as arguments differ within it."""
        covered: set[str] = set()
        for index, entry in enumerate(self._strings(value, path)):
            line = self._where.lines.of_entry(*path, index=index) or 1
            if entry.startswith("@"):
                raise self._where.error(
                    line, f'"{entry}": the calls of a group have no arguments in common; name them'
                )
            covered |= self._one(entry, line)
        return frozenset(covered)

    def _strings(self, value: object, path: _Path) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            shown = ".".join(str(part) for part in path if isinstance(part, str))
            raise self._where.error(self._where.lines.of(*path), f"{shown} {_LIST_FORM}")
        return value

    def _group(self, entry: str, line: int) -> frozenset[str]:
        if entry == groups.KNOWN:
            return self._names
        try:
            return groups.members(entry) & self._names
        except KeyError:
            known = groups.descriptions()
            hint = did_you_mean(entry, known) or f"; known: {', '.join(known)}"
            raise self._where.error(line, f'unknown group "{entry}"{hint}') from None

    def _one(self, entry: str, line: int) -> frozenset[str]:
        numbers = [syscalls.number(abi, entry) for abi in self.abis]
        if any(number is not None for number in numbers):
            # "syscall_0x1d4" may have got a name since the profile was written.
            pairs = zip(self.abis, numbers, strict=True)
            return frozenset(syscalls.name(abi, nr) for abi, nr in pairs if nr is not None)
        if reason := elsewhere(entry):
            # A profile may serve several machines, and what a machine lacks cannot be called.
            self.skipped.append(Skipped(line, entry, reason))
            return frozenset()
        native = self.abis[0]
        near = syscalls.suggest(native, entry)
        hint = f'did you mean "{near}"?' if near else "`sbtrace profile show @known` lists them"
        raise self._where.error(line, f'unknown syscall "{entry}" on {native} ({hint})')


def elsewhere(entry: str) -> str | None:
    """Why a name may stand in a profile though its ABIs lack it; None for one that nothing has."""
    if others := syscalls.abis_with(entry):
        return f"exists only on {', '.join(others)}"
    if any(entry in groups.members(group) for group in groups.descriptions() if group != "@known"):
        return "exists on no ABI that sbtrace serves, or no longer"
    return None


def check_precedence(profile: Profile, where: Where) -> None:
    """Raises ProfileError where two list entries give one call different actions.

    A name beats the groups that hold it and a group beats those around it; anything else is
    a contradiction.
    """
    chosen: dict[str, Rule] = {}
    for rule in profile.rules:
        if rule.conditions:
            continue
        for name in sorted(rule.syscalls):
            other = chosen.setdefault(name, rule)
            if narrower(rule, other):
                chosen[name] = rule
    for rule in profile.rules:
        if rule.conditions:
            continue
        for name in sorted(rule.syscalls):
            winner = chosen[name]
            if rule.action != winner.action and not narrower(winner, rule):
                raise where.error(
                    max(rule.line, winner.line),
                    f'"{name}" is {winner.action} by "{winner.entry}" (line {winner.line}) and '
                    f'{rule.action} by "{rule.entry}" (line {rule.line}); {_remedy(name, rule)}',
                )


def _remedy(name: str, rule: Rule) -> str:
    return f'name "{name}" in the list you mean' if rule.is_group else "take one of them out"
