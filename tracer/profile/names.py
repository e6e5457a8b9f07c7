"""Names and groups in a profile's lists: resolved, and free of contradictions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile import groups
from tracer.profile.records import Action, Rule, Skipped, narrower
from tracer.profile.variables import near
from tracer.profile.where import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracer.profile.variables import OwnGroups
    from tracer.profile.where import Where
    from tracer.profile.wording import Value

_LIST_FORM = 'must be a list of names such as ["read", "@file-system"]'
_Path = tuple[str | int, ...]


class NameList:
    """Resolves the entries of a profile's lists for its ABIs, and keeps what it left out."""

    def __init__(
        self,
        abis: tuple[str, ...],
        where: Where,
        variables: Mapping[str, Value],
        own: OwnGroups,
    ) -> None:
        self.abis = abis
        self.variables = variables
        self._own = own
        self._where = where
        self.skipped: list[Skipped] = []

    @cached_property
    def _names(self) -> frozenset[str]:
        """Every name of the profile's ABIs, whose tables a profile without groups need not load."""
        return frozenset().union(*(syscalls.names(abi) for abi in self.abis))

    def entries(self, value: object, path: _Path, action: Action) -> list[Rule]:
        """A rule for each entry of a list. Raises ProfileError for a name that nothing has."""
        rules = []
        for line, entry in self._strings(value, path):
            covered = self._group(entry, line) if entry.startswith("@") else self._one(entry, line)
            if covered:
                rules.append(Rule(line, entry, action, covered))
        return rules

    def rule_syscalls(self, value: object, path: _Path) -> tuple[list[str], frozenset[str]]:
        """The entries of a ``[[rule]]`` and their names here; a group is refused, as arguments
        differ within it."""
        entries = self._strings(value, path)
        covered: set[str] = set()
        for line, entry in entries:
            if entry.startswith("@"):
                raise self._where.error(
                    line, f'"{entry}": the calls of a group have no arguments in common; name them'
                )
            covered |= self._one(entry, line)
        return [entry for _, entry in entries], frozenset(covered)

    def _strings(self, value: object, path: _Path) -> list[tuple[int, str]]:
        """The entries, those of variables in their place, and where each stands."""
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            shown = ".".join(str(part) for part in path if isinstance(part, str))
            raise self._where.error(self._where.lines.of(*path), f"{shown} {_LIST_FORM}")
        found: list[tuple[int, str]] = []
        for index, entry in enumerate(value):
            line = self._where.lines.of_entry(*path, index=index) or 1
            entries = self._of_variable(entry[1:], line) if entry.startswith("$") else [entry]
            found += [(line, each) for each in entries]
        return found

    def _of_variable(self, name: str, line: int) -> list[str]:
        if name not in self.variables:
            hint = did_you_mean(name, self.variables) or "; [vars] gives it a value"
            raise self._where.error(line, f'unknown variable "${name}"{hint}')
        value = self.variables[name]
        values = value if isinstance(value, list) else [value]
        for each in values:
            if not isinstance(each, str) or each.startswith("$"):
                raise self._where.error(
                    line, f'"${name}" in a list of calls holds {each!r}: give names'
                )
        return [str(each) for each in values]

    def _group(self, entry: str, line: int) -> frozenset[str]:
        if entry == groups.KNOWN:
            return self._names
        if entry in self._own:
            return self._of_own(entry)
        try:
            return groups.members(entry) & self._names
        except KeyError:
            hint = near(entry, self._own)
            raise self._where.error(line, f'unknown group "{entry}"{hint}') from None

    def _of_own(self, name: str) -> frozenset[str]:
        """The calls of a group of one's own; a mistake in it is told where it stands."""
        found: set[str] = set()
        for entry, where, line in self._own.entries(name):
            inner = NameList(self.abis, where, self.variables, self._own)
            at = line or 1
            entries = inner._of_variable(entry[1:], at) if entry.startswith("$") else [entry]
            for each in entries:
                found |= inner._group(each, at) if each.startswith("@") else inner._one(each, at)
            self.skipped += [skipped for skipped in inner.skipped if where is self._where]
        return frozenset(found)

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


def check_precedence(rules: Iterable[Rule], where: Where) -> None:
    """Raises ProfileError where two list entries give one call different actions.

    A name beats the groups that hold it and a group beats those around it; anything else is
    a contradiction.
    """
    rules = tuple(rules)
    chosen: dict[str, Rule] = {}
    for rule in rules:
        if rule.conditions:
            continue
        for name in sorted(rule.syscalls):
            other = chosen.setdefault(name, rule)
            if narrower(rule, other):
                chosen[name] = rule
    for rule in rules:
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
