"""The filters in force in a running process, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.profile.cases import surface
from tracer.report import conditions
from tracer.report.layout import Sheet
from tracer.report.units import duration
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.profile.cases import Cases, Surface
    from tracer.sandbox.in_force import InForce


def surfaces(found: InForce) -> tuple[Surface, ...]:
    """What the filters do on each ABI that this kernel may serve; none where there is none."""
    if not found.filters:
        return ()
    native = syscalls.native_abi()
    abis = (native, *syscalls.FOREIGN_ABIS.get(native, ()))
    return tuple(surface(found.filters, abi) for abi in abis)


def to_object(found: InForce) -> Mapping[str, object]:
    """``abis`` is null where nothing filters."""
    return {
        "pid": found.pid,
        "comm": found.comm,
        "mode": found.mode,
        "no_new_privs": found.no_new_privs,
        "stopped_ns": found.stopped_ns,
        "exec_once": found.exec_once,
        "filters": [{"instructions": len(each)} for each in found.filters],
        "abis": [_surface_object(each) for each in surfaces(found)] or None,
    }


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


def render(found: InForce, width: int, *, whole: bool = False) -> str:
    """What a person wants to know. ``whole``: each call by name, and each condition."""
    found_surfaces = surfaces(found)
    labels = [name for each in found_surfaces for name, cases in each.calls.items() if cases.cases]
    sheet = Sheet(width, max(map(len, [*labels, "kill_process"])))
    sheet.line(f"process {found.pid}, {printable(found.comm)}: {_how(found)}")
    if found.exec_once:
        sheet.line('exec = "once": the execve that started it was let through, none is any more')
    for each in found_surfaces:
        sheet.line()
        _abi(sheet, each, whole)
    return sheet.text()


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
