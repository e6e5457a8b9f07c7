"""``sbtrace trend``: the figures of a command over its history, and where they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.analysis.compare import ALPHA, spread
from tracer.report import bars, units
from tracer.report.comparison import FIGURES, Figure
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.sparkline import sparkline
from tracer.report.style import Style
from tracer.report.table import Column
from tracer.report.table import render as table
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.analysis.trend import Change, Place, Setting, Trend, Trends
    from tracer.query.sides import Measured
    from tracer.report.form import Page

_LABEL_WIDTH = 9
_ENOUGH_RUNS = 10
_CALL_FIGURES: Mapping[str, Figure] = {
    "calls": Figure("calls", units.count),
    "errors": Figure("errors", units.count),
    "blocked": Figure("blocked", units.count),
    "latency_ns": Figure("mean latency", units.duration),
}
_COLUMNS = (
    Column("first", right=True),
    Column("last", right=True),
    Column("low", right=True),
    Column("high", right=True),
    Column("changes", right=True),
    Column("figure", rigid=True),
)


class TrendReport(NamedTuple):
    """A command's history."""

    found: Trends
    syscall: str | None = None
    """Whose figures these are; None: those of whole runs."""

    def data(self) -> Mapping[str, object]:
        """Every value of every run, and the changes."""
        found = self.found
        return {
            "command": found.history.text,
            "syscall": self.syscall,
            "alpha": ALPHA,
            "tested": found.tested,
            "runs": [_run_object(run) for run in found.history.runs],
            "figures": {name: _trend_object(each) for name, each in found.figures.items()},
            "changes": [_place_object(found, place) for place in found.places],
        }

    def text(self, page: Page = PLAIN) -> str:
        """A line a figure, then the runs from which on one has another level."""
        found, style = self.found, Style(page.colour)
        sheet = Sheet(page.columns, _LABEL_WIDTH)
        of = f", {self.syscall}" if self.syscall else ""
        command = printable(found.history.text)
        sheet.line(f"{style.strong('sbtrace')}: {command}{of}: {_headline(found)}")
        sheet.field("runs", _span(found))
        sheet.line()
        sheet.block(_table(found, page))
        for place in found.places:
            _place(sheet, style, found, place)
        _foot(sheet, found)
        return sheet.text()


def _headline(found: Trends) -> str:
    runs = units.counted(len(found.history.runs), "run")
    number = len(found.places)
    if number:
        return f"{runs}, {units.counted(number, 'change')}"
    few = len(found.history.runs) < _ENOUGH_RUNS
    return f"{runs}, {'too few to tell a change from noise' if few else 'no change'}"


def _span(found: Trends) -> str:
    runs = found.history.runs
    first, last = (f"{run.started_at.astimezone():%Y-%m-%d %H:%M}" for run in (runs[0], runs[-1]))
    when = first if first == last else f"{first} to {last}"
    uncounted = sum(not run.counted for run in runs)
    inexact = sum(run.counted and not run.exact for run in runs)
    doubts = [f"{uncounted} without counts of eBPF"] if uncounted else []
    doubts += [f"{inexact} not exact: calls may be missing"] if inexact else []
    return "; ".join([when, *doubts])


def _table(found: Trends, page: Page) -> str:
    shown = [name for name, each in found.figures.items() if _is_known(each)]
    rows = [_row(found, name) for name in shown]
    text = table(_COLUMNS, rows, page.columns - 2)
    room = max(bars.room_beside(text, page.columns - 2), bars.LEAST_ROOM)
    marks = [sparkline(found.figures[name].values, room, plain=page.plain) for name in shown]
    return bars.beside(text, "trend", marks)


def _is_known(each: Trend) -> bool:
    return any(value is not None for value in each.values)


def _row(found: Trends, name: str) -> list[str]:
    each, figure = found.figures[name], _figure(name)
    known = spread([value for value in each.values if value is not None])
    first = each.changes[0].before if each.changes else known
    last = each.changes[-1].after if each.changes else known
    ends = (
        [None if known is None else round(end) for end in (known.low, known.high)] if known else []
    )
    medians = [None if level is None else round(level.median) for level in (first, last)]
    changes = str(len(each.changes)) if each.changes else "new" if each.is_new else ""
    return [*map(figure.shown, [*medians, *ends]), changes, figure.title]


def _figure(name: str) -> Figure:
    return FIGURES.get(name) or _CALL_FIGURES[name]


def _place(sheet: Sheet, style: Style, found: Trends, place: Place) -> None:
    run = found.history.runs[place.at]
    when = f"{run.started_at.astimezone():%Y-%m-%d %H:%M}"
    sheet.line()
    sheet.field("changed", f"run {run.run_id} ({when}), and those after it", style.strong)
    for name, change in place.changes.items():
        sheet.field("", _words(name, change))
    sheet.field("differs", "; ".join(map(_setting, place.settings)) or _NOTHING_DIFFERS)


_NOTHING_DIFFERS = "nothing that is recorded of the two runs"


def _words(name: str, change: Change) -> str:
    figure = _figure(name)
    before, after = (figure.shown(round(level.median)) for level in (change.before, change.after))
    moved = change.shift
    size = "" if change.ratio is None else f": {units.change(change.ratio)}"
    if moved.low is None or moved.high is None or moved.low == moved.high:
        return f"{figure.title} {before} -> {after}{size}"
    low, high = (units.signed(end, figure.shown) for end in (moved.low, moved.high))
    return f"{figure.title} {before} -> {after}{size} (99 % interval {low} to {high})"


def _setting(each: Setting) -> str:
    before, after = (printable(value or "none") for value in (each.before, each.after))
    return f"{printable(each.name)} {before} -> {after}"


def _foot(sheet: Sheet, found: Trends) -> None:
    new = [name for name, each in found.figures.items() if each.is_new]
    if new or found.tested:
        sheet.line()
    if new:
        run = found.history.runs[-1]
        told = ", ".join(_new(found.figures[name], name) for name in new)
        sheet.field("new", f"in the last run, {run.run_id}, alone: {told}")
    if found.tested:
        sheet.field("chance", _by_chance(found.tested))


def _new(each: Trend, name: str) -> str:
    known = [value for value in each.values if value is not None]
    shown = _figure(name).shown
    return f"{_figure(name).title} {shown(round(known[-2]))} -> {shown(round(known[-1]))}"


def _by_chance(tested: int) -> str:
    were = "1 figure varies" if tested == 1 else f"{tested} figures vary"
    return f"{were}; {ALPHA:.0%} of such figures show a change where there is none"


def _run_object(run: Measured) -> Mapping[str, object]:
    return {
        "run_id": run.run_id,
        "started_at": run.started_at.isoformat(),
        "counted": run.counted,
        "exact": run.exact,
    }


def _trend_object(each: Trend) -> Mapping[str, object]:
    return {"values": list(each.values), "is_new": each.is_new, "changes": len(each.changes)}


def _place_object(found: Trends, place: Place) -> Mapping[str, object]:
    return {
        "run_id": found.history.runs[place.at].run_id,
        "at": place.at,
        "figures": {name: _change_object(change) for name, change in place.changes.items()},
        "settings": [setting._asdict() for setting in place.settings],
    }


def _change_object(change: Change) -> Mapping[str, object]:
    return {
        "before": change.before._asdict(),
        "after": change.after._asdict(),
        "shift": change.shift._asdict(),
        "ratio": change.ratio,
    }
