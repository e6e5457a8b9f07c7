"""``sbtrace doctor``: the machine as a table, what is missing first named, then remedied."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.style import Style

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.host import Check, HostReport
    from tracer.report.form import Page


class DoctorReport(NamedTuple):
    """What was found of a machine."""

    machine: HostReport

    def data(self) -> dict[str, object]:
        """``full_figures`` and ``checks``; ``ok`` is null where something could not be tried."""
        return {
            "full_figures": self.machine.full_figures,
            "checks": [dataclasses.asdict(check) for check in self.machine.checks],
        }

    def text(self, page: Page = PLAIN) -> str:
        """One line a check; under what is missing, what to do about it; a verdict at the end."""
        style, checks = Style(page.colour), self.machine.checks
        sheet = Sheet(page.columns, max(len(check.name) for check in checks) + len("missing  "))
        for check in checks:
            word, mark = _verdict(check, style)
            sheet.field(f"{word:<7}  {check.name}", check.found, mark)
            if check.remedy and not check.ok:
                sheet.field("", f"-> {check.remedy}")
        sheet.line()
        if self.machine.full_figures:
            sheet.line(style.good("sbtrace run gives full figures here."))
        else:
            lacking = _lacking(self.machine)
            sheet.line(style.bad(f"sbtrace run gives no full figures here: {lacking}."))
        return sheet.text()


def _lacking(machine: HostReport) -> str:
    """What is missing; if nothing is, what could not be tried."""
    required = [check for check in machine.checks if check.level == "required" and not check.ok]
    missing = [check.name for check in required if check.ok is False]
    return ", ".join(missing or [check.name for check in required])


def _verdict(check: Check, style: Style) -> tuple[str, Callable[[str], str]]:
    if check.ok is None:
        return "unknown", style.warn
    if check.ok:
        return ("ok", style.good) if check.level != "info" else ("-", style.faint)
    return ("missing", style.bad) if check.level == "required" else ("poor", style.warn)
