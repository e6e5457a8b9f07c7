"""The filters in force in a running process, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile.cases import surface
from tracer.report import conditions
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.units import duration
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.profile.cases import Cases, Surface
    from tracer.report.form import Page
    from tracer.sandbox.in_force import InForce


class FilterReport(NamedTuple):
    """What filters a process, and what that lets through."""

    found: InForce
    surfaces: tuple[Surface, ...]
    """One for each ABI that this kernel may serve; none where nothing filters."""

    @classmethod
    def of(cls, found: InForce) -> FilterReport:
        """The report about a process as it was read."""
        native = syscalls.native_abi()
        abis = (native, *syscalls.FOREIGN_ABIS.get(native, ())) if found.filters else ()
        return cls(found, tuple(surface(found.filters, abi) for abi in abis))

    def data(self) -> Mapping[str, object]:
        """``abis`` is null where nothing filters."""
        return {
            "pid": self.found.pid,
            "comm": self.found.comm,
            "mode": self.found.mode,
            "no_new_privs": self.found.no_new_privs,
            "stopped_ns": self.found.stopped_ns,
            "exec_once": self.found.exec_once,
            "filters": [{"instructions": len(each)} for each in self.found.filters],
            "abis": [_surface_object(each) for each in self.surfaces] or None,
        }

    def text(self, page: Page = PLAIN) -> str:
        """What a person wants to know. ``page.whole``: each call by name, and each condition."""
        labels = [name for each in self.surfaces for name, its in each.calls.items() if its.cases]
        sheet = Sheet(page.columns, max(map(len, [*labels, "kill_process"])))
        found = self.found
        sheet.line(f"process {found.pid}, {printable(found.comm)}: {_how(found)}")
        if found.exec_once:
            sheet.line(_EXEC_ONCE)
        for each in self.surfaces:
            sheet.line()
            _abi(sheet, each, page.whole)
        return sheet.text()


_EXEC_ONCE = 'exec = "once": the execve that started it was let through, none is any more'


def _surface_object(found: Surface) -> Mapping[str, object]:
    calls = {name: _cases_object(cases) for name, cases in found.calls.items()}
    return {"abi": found.abi, "calls": calls, "others": _cases_object(found.others)}


def _cases_object(found: Cases) -> Mapping[str, object]:
    return {
        "cases": [
            {"conditions": list(case.conditions), "action": str(case.verdict)}
            for case in found.cases
        ],
        "otherwise": str(found.otherwise),
    }


def _how(found: InForce) -> str:
    if found.mode == "strict":
        return "seccomp in strict mode: read, write, _exit and sigreturn, and nothing else"
    if not found.filters:
        return "no seccomp filter"
    sizes = " + ".join(str(len(each)) for each in found.filters)
    noun = "1 seccomp filter" if len(found.filters) == 1 else f"{len(found.filters)} filters"
    return (
        f"{noun} of {sizes} instructions, "
        f"{'' if found.no_new_privs else 'not '}with no_new_privs"
        f" (stopped for {duration(found.stopped_ns)})"
    )


def _abi(sheet: Sheet, found: Surface, whole: bool) -> None:
    plain: dict[str, list[str]] = {}
    by_arguments: dict[str, Cases] = {}
    for name, cases in found.calls.items():
        if cases.cases:
            by_arguments[name] = cases
        elif whole or cases != found.others:
            plain.setdefault(str(cases.otherwise), []).append(name)
    rest = "every call" if not plain and not by_arguments else "every other call"
    sheet.line(f"{found.abi}: {_answers(found.others)} for {rest}")
    for action, names in sorted(plain.items(), key=lambda item: -len(item[1])):
        noun = "call" if len(names) == 1 else "calls"
        sheet.field(action, f"{len(names)} {noun}: {' '.join(names)}")
    for name, cases in by_arguments.items():
        _by_arguments(sheet, name, cases, whole)


def _answers(cases: Cases) -> str:
    return str(cases.otherwise) + (" or by arguments otherwise" if cases.cases else "")


def _by_arguments(sheet: Sheet, name: str, found: Cases, whole: bool) -> None:
    cases = [(str(case.verdict), case.conditions) for case in found.cases]
    texts = [
        f"{action} if {condition}"
        for action, condition in conditions.grouped(name, cases, whole=whole)
    ]
    sheet.field(name, "; ".join([*texts, f"else {found.otherwise}"]))
