"""``sbtrace doctor``: the machine as a table, what is missing first named, then remedied."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tracer.report.layout import Sheet
from tracer.report.style import Style

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.host import Check, HostReport


def render(report: HostReport, width: int = 80, *, colour: bool = False) -> str:
    """One line a check; under what is missing, what to do about it; a verdict at the end."""
    style = Style(colour)
    sheet = Sheet(width, max(len(check.name) for check in report.checks) + len("missing  "))
    for check in report.checks:
        word, mark = _verdict(check, style)
        sheet.field(f"{word:<7}  {check.name}", check.found, mark)
        if check.remedy and not check.ok:
            sheet.field("", f"-> {check.remedy}")
    sheet.line()
    if report.full_figures:
        sheet.line(style.good("sbtrace run gives full figures here."))
    else:
        sheet.line(style.bad(f"sbtrace run gives no full figures here: {_lacking(report)}."))
    return sheet.text()


def to_object(report: HostReport) -> dict[str, object]:
    """The same as data: ``full_figures`` and ``checks``; ``ok`` null = could not be tried."""
    return {
        "full_figures": report.full_figures,
        "checks": [dataclasses.asdict(check) for check in report.checks],
    }


def _lacking(report: HostReport) -> str:
    """What is missing; if nothing is, what could not be tried."""
    required = [check for check in report.checks if check.level == "required" and not check.ok]
    missing = [check.name for check in required if check.ok is False]
    return ", ".join(missing or [check.name for check in required])


def _verdict(check: Check, style: Style) -> tuple[str, Callable[[str], str]]:
    if check.ok is None:
        return "unknown", style.warn
    if check.ok:
        return ("ok", style.good) if check.level != "info" else ("-", style.faint)
    return ("missing", style.bad) if check.level == "required" else ("poor", style.warn)
