"""Two sides of recorded runs beside each other, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.analysis.compare import ALPHA, Verdict, settings
from tracer.report import bars, latencies, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.style import Style
from tracer.report.table import Column
from tracer.report.table import render as table
from tracer.report.totals import syscall_label
from tracer.text import cell_width, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tracer.analysis.compare import CallCompared, Compared, Comparison, ErrorCompared, Spread
    from tracer.analysis.demands import Judged
    from tracer.query.sides import Side
    from tracer.report.form import Page

_LABEL_WIDTH = 8
_LABEL_AT_MOST = 20
_FEWEST_RUNS = 5
_MOST_BAR = 20


class Figure(NamedTuple):
    """How a column of ``runs`` is shown."""

    title: str
    shown: Callable[[int | None], str]


FIGURES: Mapping[str, Figure] = {
    "total_syscalls": Figure("calls", units.count),
    "error_syscalls": Figure("errors", units.count),
    "blocked_syscalls": Figure("blocked", units.count),
    "read_syscalls": Figure("reads (/proc)", units.count),
    "write_syscalls": Figure("writes (/proc)", units.count),
    "wall_ns": Figure("wall", units.duration),
    "user_ns": Figure("user", units.duration),
    "system_ns": Figure("system", units.duration),
    "max_rss_bytes": Figure("peak memory", units.size),
    "minor_faults": Figure("minor faults", units.count),
    "major_faults": Figure("major faults", units.count),
}
_JUDGED = (
    Column("A", right=True),
    Column("B", right=True),
    Column("change", right=True),
    Column("99 % interval", right=True),
    Column("verdict", rigid=True),
)


class ComparisonReport(NamedTuple):
    """Two sides beside each other, and what was demanded of them."""

    found: Comparison
    judged: Sequence[Judged] = ()

    def data(self) -> Mapping[str, object]:
        """Every figure of both sides, told or not."""
        found = self.found
        return {
            "a": _side_object(found.a),
            "b": _side_object(found.b),
            "alpha": ALPHA,
            "tested": found.tested,
            "figures": {name: _compared_object(each) for name, each in found.figures.items()},
            "syscalls": [_call_object(found, each) for each in found.calls],
            "errors": [_error_object(each) for each in found.errors],
            "demands": [
                {"demand": each.demand.text, "passed": each.passed, "why": each.why}
                for each in self.judged
            ],
        }

    def text(self, page: Page = PLAIN) -> str:
        """What differs, figure by figure. ``page.whole``: also the calls that do not differ."""
        found, whole = self.found, page.whole
        explaining, style = _explaining(found), Style(page.colour)
        widest = max([_LABEL_WIDTH, *map(cell_width, explaining)])
        sheet = Sheet(page.columns, min(widest, _LABEL_AT_MOST))
        _head(sheet, found, style)
        for name, text in explaining.items():
            sheet.field(name, text, style.warn)
        _section(sheet, "", _figures(found), ("figure",), page)
        _presence(sheet, found)
        _section(sheet, "Calls of a run", list(_counts(found, whole)), ("syscall",), page)
        _section(sheet, "Errors of a run", list(_errors(found, whole)), ("syscall", "errno"), page)
        latency = list(_latencies(found, whole))
        _section(sheet, "Mean latency of a run", latency, ("syscall",), page)
        _foot(sheet, found, whole)
        _demands(sheet, self.judged, style)
        return sheet.text()


def headline(found: Comparison) -> str:
    """The answer in one line."""
    if _fewest(found) < 2:
        return "one run on a side: a difference cannot be told from noise"
    told = [part for part in _parts(found) if part]
    if told:
        return f"A and B differ: {', '.join(told)}"
    if _fewest(found) < _FEWEST_RUNS:
        return "no difference is certain after so few runs"
    return "A and B differ in nothing but noise"


def _parts(found: Comparison) -> Iterator[str]:
    changed = [each for each in found.calls if _counts_differ(each)]
    yield _several(sum(not each.in_a for each in changed), "new call")
    gone = sum(not each.in_b for each in changed)
    yield _several(gone, "call that is gone", "calls that are gone")
    yield _several(sum(bool(each.in_a and each.in_b) for each in changed), "other count")
    new = sum(not each.in_a and _differs(each.failed) for each in found.errors)
    yield _several(new, "new error")
    yield _several(sum(map(_differs, found.figures.values())), "total")
    slow = sum(_differs(each.latency_ns) for each in found.calls)
    yield _several(slow, "latency", "latencies")


def _fewest(found: Comparison) -> int:
    return min(len(found.a.runs), len(found.b.runs))


def _several(number: int, one: str, more: str | None = None) -> str:
    return f"{number} {one if number == 1 else more or f'{one}s'}" if number else ""


def _head(sheet: Sheet, found: Comparison, style: Style) -> None:
    sheet.line(f"sbtrace: {headline(found)}")
    for name, side in (("A", found.a), ("B", found.b)):
        sheet.field(name, _side(side, settings(side)), style.strong)


def _explaining(found: Comparison) -> Mapping[str, str]:
    """What the runs of the sides were made with, where that differs."""
    a, b = settings(found.a), settings(found.b)
    return {
        printable(name): f"A {_values(a.get(name))}; B {_values(b.get(name))}"
        for name in dict.fromkeys([*a, *b])
        if name != "command" and set(a.get(name, ())) != set(b.get(name, ()))
    }


def _values(values: Sequence[str] | None, most: int = 3) -> str:
    if not values:
        return "none"
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def _side(side: Side, told: Mapping[str, Sequence[str]]) -> str:
    uncounted = len(side.runs) - len(side.counted)
    inexact = sum(not run.exact for run in side.counted)
    doubts = [f"{uncounted} without counts of eBPF"] if uncounted else []
    doubts += [f"{inexact} not exact: calls may be missing"] if inexact else []
    runs = _several(len(side.runs), "run")
    named = side.runs[0].run_id if len(side.runs) == 1 else _from_to(side)
    return "; ".join([f"{runs} ({named}) of {_values(told['command'], 1)}", *doubts])


def _from_to(side: Side) -> str:
    first, last = (run.started_at.astimezone() for run in (side.runs[0], side.runs[-1]))
    began, ended = f"{first:%m-%d %H:%M}", f"{last:%m-%d %H:%M}"
    return began if began == ended else f"{began} to {ended}"


class _Row(NamedTuple):
    """One figure of a table."""

    each: Compared
    shown: Callable[[int | None], str]
    labels: tuple[str, ...]

    def cells(self) -> list[object]:
        each, shown = self.each, self.shown
        medians = _median(each.a, shown), _median(each.b, shown)
        moved = _change(each, shown), _interval(each, shown)
        return [*medians, *moved, each.verdict.value, *self.labels]

    def bar(self, room: int) -> str:
        """Both medians over each other; the larger one takes all the room."""
        a, b = (side.median if side else 0 for side in (self.each.a, self.each.b))
        most = max(a, b)
        return latencies.overlaid(*(round(side * room / most) if most else 0 for side in (a, b)))


def _section(
    sheet: Sheet, title: str, rows: Sequence[_Row], labels: Sequence[str], page: Page
) -> None:
    if not rows:
        return
    sheet.line()
    if title:
        sheet.line(f"  {title}")
    columns = (*_JUDGED, *(Column(label) for label in labels))
    text = table(columns, [row.cells() for row in rows], page.columns - 2)
    room = min(bars.room_beside(text, page.columns - 2), _MOST_BAR)
    if room >= bars.LEAST_ROOM and len(text.splitlines()) == len(rows) + 2:
        text = bars.beside(text, "- A, + B", [row.bar(room) for row in rows])
    sheet.block(text)


def _figures(found: Comparison) -> list[_Row]:
    return [
        _Row(found.figures[name], figure.shown, (figure.title,)) for name, figure in FIGURES.items()
    ]


def _median(side: Spread | None, shown: Callable[[int | None], str]) -> str:
    return shown(None if side is None else round(side.median))


def _change(each: Compared, shown: Callable[[int | None], str]) -> str:
    if each.shift is None:
        return units.UNKNOWN
    if each.ratio is not None:
        return units.change(each.ratio)
    return units.signed(each.shift.estimate, shown)


def _interval(each: Compared, shown: Callable[[int | None], str]) -> str:
    """Empty where every run has the same value, or there are too few runs for one."""
    moved = each.shift
    if moved is None or moved.low is None or moved.high is None or moved.low == moved.high:
        return ""
    if each.a is not None and each.a.median:
        return " to ".join(units.change(end / each.a.median) for end in (moved.low, moved.high))
    return f"{units.signed(moved.low, shown)} to {units.signed(moved.high, shown)}"


def _presence(sheet: Sheet, found: Comparison) -> None:
    """Calls that one side alone made."""
    new = [each for each in found.calls if not each.in_a]
    gone = [each for each in found.calls if not each.in_b]
    for label, calls, side in (("only A", gone, found.a), ("only B", new, found.b)):
        if calls:
            sheet.line()
            names = (_made(found, each, side is found.a) for each in calls)
            sheet.field(label, ", ".join(names))


def _made(found: Comparison, each: CallCompared, in_a: bool) -> str:
    runs, side = (each.in_a, found.a) if in_a else (each.in_b, found.b)
    share = "" if runs == len(side.counted) else f" (in {runs} of {len(side.counted)} runs)"
    return f"{_label(found, each)}{share}"


def _label(found: Comparison, each: CallCompared | ErrorCompared) -> str:
    return syscall_label(each.key.abi, each.key.name, (call.key.abi for call in found.calls))


def _counts(found: Comparison, whole: bool) -> Iterator[_Row]:
    """Calls that both sides made, and how often a filter refused them."""
    for each in found.calls:
        if each.in_a and each.in_b and (whole or _is_told(each.calls)):
            yield _Row(each.calls, units.count, (_label(found, each),))
        if (whole or _is_told(each.blocked)) and _is_any(each.blocked):
            yield _Row(each.blocked, units.count, (f"{_label(found, each)}, blocked",))


def _errors(found: Comparison, whole: bool) -> Iterator[_Row]:
    for each in found.errors:
        if whole or _is_told(each.failed):
            yield _Row(each.failed, units.count, (_label(found, each), each.errno_name))


def _latencies(found: Comparison, whole: bool) -> Iterator[_Row]:
    for each in found.calls:
        if each.in_a and each.in_b and (whole or _differs(each.latency_ns)):
            yield _Row(each.latency_ns, units.duration, (_label(found, each),))


def _is_any(each: Compared) -> bool:
    return any(side is not None and side.high for side in (each.a, each.b))


def _differs(each: Compared) -> bool:
    return each.verdict is Verdict.DIFFERS


def _is_told(each: Compared) -> bool:
    """Whether a row of it is worth a line: it differs, or runs are too few and the values do."""
    moved = each.shift.estimate if each.shift else 0
    return _differs(each) or (each.verdict is Verdict.UNKNOWN and bool(moved))


def _counts_differ(each: CallCompared) -> bool:
    return any(map(_differs, (each.calls, each.errors, each.blocked)))


def _foot(sheet: Sheet, found: Comparison, whole: bool) -> None:
    shared = [each for each in found.calls if each.in_a and each.in_b]
    quiet = sum(not _is_told(each.calls) for each in shared)
    sheet.line()
    if quiet and not whole:
        sheet.field("alike", f"the counts of {_several(quiet, 'other call')}: --all shows them")
    if found.tested:
        sheet.field("chance", _by_chance(found.tested))
    if _fewest(found) < _FEWEST_RUNS:
        sheet.field(
            "runs",
            f"{_several(_fewest(found), 'run')} on a side: what varies from run to run cannot be"
            f" told from noise with fewer than {_FEWEST_RUNS} a side",
        )


def _by_chance(tested: int) -> str:
    were = "1 figure was" if tested == 1 else f"{tested} figures were"
    return (
        f"{were} held against the noise from run to run, each with an error rate of {ALPHA:.0%}:"
        f" about {tested * ALPHA:.1f} differ by chance alone"
    )


def _demands(sheet: Sheet, judged: Sequence[Judged], style: Style) -> None:
    if judged:
        sheet.line()
    words = {True: "passed", False: "failed", None: "unknown"}
    marks = {True: style.good, False: style.bad, None: style.warn}
    for each in judged:
        word, mark = words[each.passed], marks[each.passed]
        sheet.field(word, f"{each.demand.text}: {each.why}", mark)


def _side_object(side: Side) -> Mapping[str, object]:
    return {
        "side": side.text,
        "runs": [run.run_id for run in side.runs],
        "counted": len(side.counted),
        "exact": sum(run.exact for run in side.counted),
        "settings": {name: list(values) for name, values in settings(side).items()},
    }


def _compared_object(each: Compared) -> Mapping[str, object]:
    return {
        "a": each.a._asdict() if each.a else None,
        "b": each.b._asdict() if each.b else None,
        "shift": each.shift._asdict() if each.shift else None,
        "ratio": each.ratio,
        "verdict": each.verdict.name.lower(),
    }


def _call_object(found: Comparison, each: CallCompared) -> Mapping[str, object]:
    return {
        **each.key._asdict(),
        "in_a": each.in_a,
        "in_b": each.in_b,
        "calls": _compared_object(each.calls),
        "errors": _compared_object(each.errors),
        "blocked": _compared_object(each.blocked),
        "latency_ns": {
            **_compared_object(each.latency_ns),
            "quantiles": latencies.quantile_objects(found, each.key),
        },
    }


def _error_object(each: ErrorCompared) -> Mapping[str, object]:
    return {
        **each.key._asdict(),
        "errno_name": each.errno_name,
        "in_a": each.in_a,
        "in_b": each.in_b,
        "failed": _compared_object(each.failed),
    }
