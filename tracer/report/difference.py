"""What two profiles, groups or processes let through otherwise, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import capabilities, syscalls
from tracer.profile.compare import compare
from tracer.report import conditions
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracer.profile.compare import Answers, Comparison, Difference
    from tracer.profile.records import Profile
    from tracer.report.form import Page
    from tracer.sandbox.sources import Source


class Sides(NamedTuple):
    """Two sources beside each other."""

    a: Source
    b: Source
    comparisons: tuple[Comparison, ...]
    """One for each ABI that this kernel may serve."""
    settings: tuple[tuple[str, str, str], ...]
    """Limits and capabilities that differ: what, in A, in B. Empty where one side is a
    process, as its limits are not known."""

    @property
    def are_alike(self) -> bool:
        """Whether all calls are answered alike and all settings are the same."""
        return not self.settings and not any(each.calls or each.others for each in self.comparisons)

    def data(self) -> Mapping[str, object]:
        """``alike`` is what the exit status says; ``args`` is a call that shows the difference."""
        return {
            "a": self.a.label,
            "b": self.b.label,
            "alike": self.are_alike,
            "abis": [_comparison_object(each) for each in self.comparisons],
            "settings": [{"name": name, "a": a, "b": b} for name, a, b in self.settings],
        }

    def text(self, page: Page = PLAIN) -> str:
        """Calls by what becomes of them on either side, then those that arguments tell apart.

        ``page.whole``: every value of an argument.
        """
        labels = [
            name for each in self.comparisons for name, calls in each.calls.items() if calls.cases
        ]
        sheet = Sheet(page.columns, max(map(len, labels), default=0))
        sheet.line(f"A: {printable(self.a.label)}")
        sheet.line(f"B: {printable(self.b.label)}")
        for each in self.comparisons:
            sheet.line()
            _abi(sheet, each, page.whole)
        for at, (name, a, b) in enumerate(self.settings):
            sheet.line(f"{'' if at else chr(10)}{name}: A {a}, B {b}")
        return sheet.text()


def sides(a: Source, b: Source) -> Sides:
    """Compare them. Raises FilterError for filters that cannot be followed."""
    native = syscalls.native_abi()
    abis = (native, *syscalls.FOREIGN_ABIS.get(native, ()))
    found = tuple(compare(a.filters, b.filters, abi) for abi in abis)
    both = a.profile is not None and b.profile is not None
    return Sides(a, b, found, tuple(_settings(a.profile, b.profile)) if both else ())  # type: ignore[arg-type] # neither is None


def _settings(a: Profile, b: Profile) -> Iterator[tuple[str, str, str]]:
    ours, theirs = _values(a), _values(b)
    for key, value in ours.items():
        if value != theirs[key]:
            yield key, value, theirs[key]


def _values(profile: Profile) -> dict[str, str]:
    limits = {
        key: "not set" if value is None else str(value)
        for key, value in profile.limits._asdict().items()
    }
    return {**limits, "capabilities": _capabilities(profile)}


def _capabilities(profile: Profile) -> str:
    if isinstance(profile.capabilities, int):
        return ", ".join(capabilities.names_of(profile.capabilities)) or "none"
    # docs/profiles.md: a filter takes them all away where nothing is said.
    return profile.capabilities or ("none" if profile.restricts else "keep")


def _comparison_object(found: Comparison) -> Mapping[str, object]:
    return {
        "abi": found.abi,
        "total": found.total,
        "alike": found.alike,
        "calls": {name: _difference_object(each) for name, each in found.calls.items()},
        "others": _difference_object(found.others) if found.others else None,
    }


def _difference_object(found: Difference) -> Mapping[str, object]:
    return {
        "cases": [
            {
                "conditions": list(case.conditions),
                "a": str(case.answers.a),
                "b": str(case.answers.b),
                "args": list(case.args),
            }
            for case in found.cases
        ],
        "otherwise": {"a": str(found.otherwise.a), "b": str(found.otherwise.b)},
    }


def _abi(sheet: Sheet, found: Comparison, whole: bool) -> None:
    if not found.calls and not found.others:
        sheet.line(f"{found.abi}: alike, all {found.total} calls")
        return
    sheet.line(f"{found.abi}: {found.alike} of {found.total} calls are answered alike")
    for answers, names in _plain(found):
        noun = "call" if len(names) == 1 else "calls"
        sheet.line(f"  {_words(answers)}: {len(names)} {noun}")
        sheet.paragraph(" ".join(names))
    for name, difference in found.calls.items():
        if difference.cases:
            sheet.field(name, "; ".join(_cases(name, difference, whole)))
    if found.others:
        sheet.line(f"  {_words(found.others.otherwise)}: numbers that have no name")


def _plain(found: Comparison) -> list[tuple[Answers, list[str]]]:
    """Calls that no argument decides, by their answers: what one side alone permits comes first."""
    names: dict[Answers, list[str]] = {}
    for name, difference in found.calls.items():
        if not difference.cases:
            names.setdefault(difference.otherwise, []).append(name)
    return sorted(names.items(), key=lambda item: (_is_alone(item[0]), -len(item[1])))


def _is_alone(answers: Answers) -> int:
    """0 for what A alone lets through, 1 for B, 2 for the others."""
    if answers.a.permits == answers.b.permits:
        return 2
    return 0 if answers.a.permits else 1


def _words(answers: Answers) -> str:
    if not answers.differ:
        return f"{answers.a} in both"
    return f"{answers.a} in A, {answers.b} in B"


def _cases(name: str, found: Difference, whole: bool) -> Iterator[str]:
    cases = [(_words(case.answers), case.conditions) for case in found.cases]
    for answers, held in conditions.grouped(name, cases, whole=whole):
        yield f"{answers} if {held}"
    if found.otherwise.differ:
        yield f"else {_words(found.otherwise)}"
