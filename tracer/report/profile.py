"""A profile, a group or findings as text for a person, and as plain data for JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer import capabilities
from tracer.profile import groups
from tracer.report.form import PLAIN
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracer.profile.check import Finding
    from tracer.profile.locate import Available
    from tracer.profile.records import Action, Profile, Rule
    from tracer.report.form import Page

_WIDTH = 80
_SIZES = ("address_space_bytes", "data_bytes", "file_size_bytes", "core_bytes")


class Listing(NamedTuple):
    """The profiles that can be given by name."""

    profiles: Sequence[Available]

    def data(self) -> Mapping[str, object]:
        """An object each, wrong ones too."""
        return {"profiles": [entry._asdict() for entry in self.profiles]}

    def text(self, _page: Page = PLAIN) -> str:
        """One profile a line, with what it is for."""
        widest = max((len(printable(entry.name)) for entry in self.profiles), default=0)
        return "".join(f"{_listed(entry, widest)}\n" for entry in self.profiles)


def _listed(entry: Available, widest: int) -> str:
    origin = "" if entry.origin == "shipped" else f" [{entry.path}]"
    about = f"invalid: {entry.error}" if entry.error else f"{entry.description}{origin}"
    return _wrapped(f"{printable(entry.name):{widest}}  ", printable(about))


class Shown(NamedTuple):
    """A profile as it is understood."""

    profile: Profile

    def data(self) -> Mapping[str, object]:
        """Every call by name."""
        return _object(self.profile)

    def text(self, page: Page = PLAIN) -> str:
        """As it is written, by lists; ``page.whole``: every call by name, precedence resolved."""
        profile = self.profile
        others = "let through as well" if profile.any_abi else "kill_process"
        head = [
            _wrapped("", printable(f"{profile.name}: {profile.description}")),
            "",
            f"file     {printable(profile.path)}",
            *(f"extends  {printable(path)}" for path in profile.extends),
            f"sha256   {profile.digest}",
            f"default  {profile.default_action}",
            *_beside_default(profile),
            f"abis     {', '.join(profile.abis)}; others: {others}",
        ]
        parts = (*head, *_lists(profile, page.whole), *_conditional(profile), *_rest(profile))
        return "\n".join(parts) + "\n"


class Group(NamedTuple):
    """A group of calls, such as ``@file-system``."""

    name: str
    described: Mapping[str, Any]

    @classmethod
    def of(cls, name: str) -> Group:
        """Raises ProfileError for a group that does not exist."""
        return cls(name, groups.described(name))

    def data(self) -> Mapping[str, object]:
        """What it is for, its ABI, and its calls."""
        return self.described

    def text(self, _page: Page = PLAIN) -> str:
        """What it is for, and its calls."""
        found, names = self.described, self.described["syscalls"]
        head = f"{self.name}: {found['description']} ({len(names)} calls on {found['abi']})"
        return f"{_wrapped('', head)}\n{_wrapped('  ', ' '.join(names))}\n"


class Checked(NamedTuple):
    """What ``profile check`` says."""

    profile: Profile | None
    """None where it is wrong."""
    error: str | None = None
    findings: Sequence[Finding] = ()

    def data(self) -> Mapping[str, object]:
        """``error`` is null where the profile is ``valid``."""
        found = [entry._asdict() for entry in self.findings]
        return {"valid": self.profile is not None, "error": self.error, "findings": found}

    def text(self, _page: Page = PLAIN) -> str:
        """One finding after the other, and that the profile is valid."""
        if self.profile is None:
            return f"{self.error}\n"
        path = printable(self.profile.path)
        lines = [_finding(path, entry) for entry in self.findings]
        return "\n".join([*lines, f"{path}: valid, {len(self.profile.rules)} entries\n"])


def _finding(path: str, entry: Finding) -> str:
    place = f"{path}:{entry.line}" if entry.line else path
    return _wrapped("", f"{place}: {entry.level}: {entry.message}")


def _beside_default(profile: Profile) -> Iterable[str]:
    if profile.unknown is not None:
        version = "{}.{}".format(*profile.knows)
        yield f"unknown  {profile.unknown}, for calls that Linux {version} does not have"
    if profile.exec_once:
        yield f"exec     once; every later execve and execveat: {profile.again}"


def _lists(profile: Profile, expand: bool) -> Iterable[str]:
    for action, names in _by_action(profile).items():
        entries = names if expand else _entries(profile, action)
        noun = "call" if len(names) == 1 else "calls"
        yield f"\n{action} ({len(names)} {noun})"
        yield _wrapped("  ", " ".join(entries))


def _by_action(profile: Profile) -> dict[Action, list[str]]:
    """Names by what becomes of them, other than by a ``[[rule]]``, in the order of the file."""
    found: dict[Action, list[str]] = {}
    for rule in profile.rules:
        if not rule.conditions:
            found.setdefault(rule.action, [])
    for name, rule in sorted(profile.unconditional.items()):
        found[rule.action].append(name)
    return {action: names for action, names in found.items() if names or not profile.extends}


def _entries(profile: Profile, action: Action) -> list[str]:
    """The entries as they are written. Those of extended files only if they still decide a call."""
    used = set(profile.unconditional.values()) if profile.extends else set()
    return [
        rule.entry
        for rule in profile.rules
        if rule.action == action and not rule.conditions and (not rule.path or rule in used)
    ]


def _conditional(profile: Profile) -> Iterable[str]:
    rules = [rule for rule in profile.rules if rule.conditions]
    if rules:
        yield "\nby arguments, before the lists"
    for text in dict.fromkeys(map(_rule, rules)):
        yield _wrapped("  ", text)


def _rule(rule: Rule) -> str:
    holds = " and ".join(rule.holds_if)
    return f"{printable(rule.place)}: {rule.entry}: {rule.action} if {holds}"


def _rest(profile: Profile) -> Iterable[str]:
    yield from _limits(profile)
    if profile.capabilities is not None:
        yield "\nprivileges"
        yield _wrapped("  capabilities   ", _capabilities(profile) or "none")


def _capabilities(profile: Profile) -> str:
    kept = profile.capabilities
    return ", ".join(capabilities.names_of(kept)) if isinstance(kept, int) else str(kept)


def _limits(profile: Profile) -> Iterable[str]:
    given = {key: value for key, value in profile.limits._asdict().items() if value is not None}
    if given:
        yield "\nlimits"
    for key, value in given.items():
        name = key.removesuffix("_bytes").removesuffix("_seconds").replace("_", " ")
        yield f"  {name:14} {_size(value) if key in _SIZES else _plain(key, value)}"


def _plain(key: str, value: float) -> str:
    return f"{value:g} s" if key.endswith("_seconds") else str(value)


def _size(value: int) -> str:
    for unit, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value and value % factor == 0:
            return f"{value // factor} {unit}"
    return f"{value} B"


def _object(profile: Profile) -> dict[str, Any]:
    """The profile as plain data, every call by name."""
    return {
        "name": profile.name,
        "description": profile.description,
        "path": profile.path,
        "extends": list(profile.extends),
        "digest": profile.digest,
        "default_action": str(profile.default_action),
        "unknown": str(profile.unknown) if profile.unknown else None,
        "knows": "{}.{}".format(*profile.knows) if profile.unknown else None,
        "exec": "once" if profile.exec_once else "listed",
        "abis": list(profile.abis),
        "any_abi": profile.any_abi,
        "actions": {str(action): names for action, names in _by_action(profile).items()},
        "rules": _rules(profile),
        "limits": profile.limits._asdict(),
        "capabilities": list(capabilities.names_of(profile.capabilities))
        if isinstance(profile.capabilities, int)
        else profile.capabilities,
    }


def _rules(profile: Profile) -> list[dict[str, Any]]:
    """Each ``[[rule]]`` once, however many equalities its words come to."""
    found: list[dict[str, Any]] = []
    for rule in profile.rules:
        entry = {
            "line": rule.line,
            "path": rule.path or profile.path,
            "syscalls": sorted(rule.syscalls),
            "action": str(rule.action),
            "args": list(rule.holds_if),
        }
        if rule.conditions and entry not in found:
            found.append(entry)
    return found


def _wrapped(start: str, words: str) -> str:
    """Folded to 80 columns; what follows the first line stands under its text."""
    return textwrap.fill(
        words,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
