"""``sbtrace risk``: classes of activity that matter for security, each with its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.decode import call_text
from tracer.profile.activity import entry
from tracer.profile.deciding import ARGUMENTS, decisive
from tracer.report import argument_values, outcome, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.style import Style
from tracer.syscalls import errno_name
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.analysis.risk import Evidence, Finding, Open
    from tracer.profile.activity import Activity
    from tracer.query.activity import Acted, Blocked, New, Program
    from tracer.report.form import Page

_LABEL_WIDTH = len("modules and kernel images")
_EXECUTES = ("execve", "execveat")
_MOST_EVIDENCE, _MOST_BLOCKED, _MOST_NEW = 3, 5, 8


class RiskReport(NamedTuple):
    """What runs did that matters for security."""

    acted: Acted
    findings: Sequence[Finding]
    new: New | None
    """What the last run did for the first time; None: it was not counted."""

    def data(self) -> Mapping[str, object]:
        """Every class; ``found`` is null where nothing shows it and that is not certain."""
        return {
            "runs": [source.run_id for source in self.acted.sources],
            "found": sum(each.found is True for each in self.findings),
            "classes": [_finding_object(each) for each in self.findings],
            "blocked": [_blocked_object(each) for each in self.acted.blocked],
            "first_time": None if self.new is None else _new_object(self.new),
        }

    def text(self, page: Page = PLAIN) -> str:
        """The classes that were found, what was blocked, and what is new for this command.

        ``page.whole``: every piece of evidence, and what every class is.
        """
        style, sheet = Style(page.colour), Sheet(page.columns, _LABEL_WIDTH)
        sources = self.acted.sources
        what = f"run {sources[-1].run_id}" if len(sources) == 1 else f"{len(sources)} runs"
        sheet.line(f"{style.strong('sbtrace')}: {what}: {_grade(self.findings)}")
        sheet.field("command", outcome.command(sources[-1].argv))
        for each in self.findings:
            if each.evidence or page.whole:
                _finding(sheet, style, each, len(sources), whole=page.whole)
        _rest(sheet, self, whole=page.whole)
        return sheet.text()


class OpenReport(NamedTuple):
    """What a profile leaves open of each class."""

    label: str
    classes: Sequence[Open]

    def data(self) -> Mapping[str, object]:
        """``open``: the calls that are let through, with the arguments that make them dangerous."""
        return {
            "profile": self.label,
            "open": sum(bool(each.calls) for each in self.classes),
            "classes": [
                {**_activity_object(each.activity), "open": _open_texts(each)}
                for each in self.classes
            ],
        }

    def text(self, page: Page = PLAIN) -> str:
        """The classes of which something is open; ``page.whole``: what every class is."""
        style, sheet = Style(page.colour), Sheet(page.columns, _LABEL_WIDTH)
        number = sum(bool(each.calls) for each in self.classes)
        head = f"{number} of {len(self.classes)} classes of activity are open"
        sheet.line(f"{style.strong('sbtrace')}: {printable(self.label)}: {head}")
        for each in self.classes:
            if each.calls or page.whole:
                sheet.field(each.activity.name, ", ".join(_open_texts(each)) or "closed")
            if page.whole:
                _about(sheet, each.activity)
        closed = [each.activity.name for each in self.classes if not each.calls]
        if closed and not page.whole:
            sheet.line()
            sheet.field("closed", ", ".join(closed))
        return sheet.text()


def _grade(findings: Sequence[Finding]) -> str:
    found = sum(each.found is True for each in findings)
    unknown = sum(each.found is None for each in findings)
    more = f", {unknown} not known" if unknown else ""
    return f"{found} of {len(findings)} classes of activity found{more}"


def _finding(sheet: Sheet, style: Style, each: Finding, runs: int, *, whole: bool) -> None:
    label, shown = each.activity.name, each.evidence if whole else each.evidence[:_MOST_EVIDENCE]
    mark = style.warn if each.evidence else str
    if whole or each.evidence:
        sheet.line()
    for at, evidence in enumerate(shown):
        sheet.field("" if at else label, _evidence(evidence, runs), mark)
    if not each.evidence:
        sheet.field(label, "not known" if each.unknown else "not found")
    left = len(each.evidence) - len(shown)
    if left:
        sheet.field("", f"and {left} more: --all shows them")
    if whole:
        _about(sheet, each.activity)
    if each.evidence:
        sheet.field("taken away by", "; ".join(_remedies(each)))
    if whole:
        for why in each.unknown:
            sheet.field("not known", why)


def _about(sheet: Sheet, activity: Activity) -> None:
    sheet.field("", f"{activity.why} ({'; '.join(activity.sources)})")


def _evidence(each: Evidence, runs: int) -> str:
    if each.syscall in _EXECUTES and (executed := (each.calls or 0) - (each.errors or 0)) > 0:
        return _executed(each, executed, runs)
    call = _call(each.abi, each.syscall, each.values)
    parts = []
    if each.calls:
        parts.append(units.counted(each.calls, "call"))
    if each.errors:
        parts.append(f"{each.errors:,} failed")
    if each.blocked:
        parts.append(f"{each.blocked:,} blocked")
    if runs > 1:
        parts.append(f"in {each.runs} of {runs} runs")
    told = f", {', '.join(parts)}" if parts else ""
    return f"{call}{told}, by {_program(each.program)}"


def _executed(each: Evidence, times: int, runs: int) -> str:
    """An execve that succeeded is counted for the new program."""
    seen = f", in {each.runs} of {runs} runs" if runs > 1 else ""
    tried = f"; it failed {units.counted(each.errors, 'time')} itself" if each.errors else ""
    return f"{_program(each.program)} was executed {units.counted(times, 'time')}{seen}{tried}"


def _call(abi: str, name: str, values: Mapping[int, int] | None) -> str:
    return printable(name) if values is None else f"{printable(name)}({_values(abi, name, values)})"


def _values(abi: str, name: str, values: Mapping[int, int]) -> str:
    """The arguments that show it: ``flags CLONE_NEWUSER``."""
    registers = [values.get(at, 0) for at in ARGUMENTS[name]]
    return argument_values.way_text((abi, name, decisive(name, registers)))


def _program(program: Program) -> str:
    when = "" if program.start_ns is None else f", from {units.duration(program.start_ns)} on"
    return f"{printable(program.path)} (pid {program.pid}{when})"


def _remedies(each: Finding) -> list[str]:
    """The entry of a profile, the capabilities and the settings that take the class away."""
    told = [f"profile: {' '.join(text.split(chr(10))).strip()}" for text in _entries(each)]
    if each.activity.capabilities:
        told.append(f"without {', '.join(each.activity.capabilities)}")
    return [*told, *(f"systemd: {setting}" for setting in each.activity.systemd)]


def _entries(each: Finding) -> list[str]:
    """What a profile would say to refuse what was found, and no more."""
    seen = {evidence.syscall for evidence in each.evidence}
    signs = dict.fromkeys(evidence.sign for evidence in each.evidence if evidence.sign)
    return [
        entry(sign._replace(calls=tuple(name for name in sign.calls if name in seen)))
        for sign in signs
    ]


def _rest(sheet: Sheet, found: RiskReport, *, whole: bool) -> None:
    if found.acted.blocked:
        sheet.line()
    shown = found.acted.blocked if whole else found.acted.blocked[:_MOST_BLOCKED]
    for at, call in enumerate(shown):
        sheet.field("" if at else "blocked by a filter", _blocked(call))
    if len(found.acted.blocked) > len(shown):
        left = len(found.acted.blocked) - len(shown)
        sheet.field("", f"and {left} more: --all shows them")
    sheet.line()
    sheet.field("for the first time", _first_time(found.new, whole=whole))
    for reasons, names in _not_known(found.findings).items():
        sheet.field("not known", f"{', '.join(names)}: {'; '.join(reasons)}")
    absent = [each.activity.name for each in found.findings if each.found is False]
    if absent and not whole:
        sheet.field("not found", ", ".join(absent))


def _not_known(findings: Sequence[Finding]) -> Mapping[tuple[str, ...], list[str]]:
    """The classes of which nothing is certain, those with the same reasons together."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in findings:
        if each.found is None:
            found.setdefault(each.unknown, []).append(each.activity.name)
    return found


def _blocked(call: Blocked) -> str:
    what = printable(call_text(call.abi, call.name, call.args))
    answer = call.action if call.errno is None else f"errno:{errno_name(call.errno)}"
    times = units.counted(call.calls, "time")
    return (
        f"{what}: {answer}, {times}, by {_program(call.program)}: `sbtrace why {call.run_id}` says"
        " from where in the code"
    )


def _first_time(new: New | None, *, whole: bool) -> str:
    if new is None:
        return "not known: the last run has no counts of eBPF"
    if not new.before:
        return "not known: no earlier run of this executable is recorded"
    calls = [f"{name} by {printable(program.path)}" for _abi, name, program in new.calls]
    programs = [f"{printable(program.path)} was executed" for program in new.programs]
    things = [*programs, *calls]
    if not things:
        return f"nothing: {units.counted(new.before, 'earlier run')} did all of it before"
    most = len(things) if whole else _MOST_NEW
    more = f" and {len(things) - most} more" if len(things) > most else ""
    runs = "the one earlier run" if new.before == 1 else f"any of {new.before} earlier runs"
    return f"not in {runs}: {'; '.join(things[:most])}{more}"


def _open_texts(each: Open) -> list[str]:
    abi = syscalls.native_abi()
    return [
        _call(abi, name, None if args is None else dict(enumerate(args)))
        for name, args in each.calls
    ]


def _activity_object(activity: Activity) -> dict[str, object]:
    return {
        "class": activity.name,
        "why": activity.why,
        "sources": list(activity.sources),
        "capabilities": list(activity.capabilities),
        "systemd": list(activity.systemd),
    }


def _finding_object(each: Finding) -> Mapping[str, object]:
    return {
        **_activity_object(each.activity),
        "found": each.found,
        "not_known": list(each.unknown),
        "profile_entries": _entries(each),
        "evidence": [_evidence_object(evidence) for evidence in each.evidence],
    }


def _evidence_object(each: Evidence) -> Mapping[str, object]:
    return {
        "abi": each.abi,
        "syscall": each.syscall,
        "arguments": None if each.values is None else _values(each.abi, each.syscall, each.values),
        "calls": each.calls,
        "errors": each.errors,
        "blocked": each.blocked,
        "runs": each.runs,
        "by": each.program._asdict(),
    }


def _blocked_object(call: Blocked) -> Mapping[str, object]:
    fields = call._asdict()
    return {**fields, "program": call.program._asdict(), "args": list(call.args)}


def _new_object(new: New) -> Mapping[str, object]:
    return {
        "earlier_runs": new.before,
        "calls": [
            {"abi": abi, "syscall": name, "by": program._asdict()}
            for abi, name, program in new.calls
        ],
        "programs": [program._asdict() for program in new.programs],
    }
