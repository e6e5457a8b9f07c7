"""``sbtrace show``: the figures of one run by process, thread, syscall or errno."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from tracer.report import bars, totals, units
from tracer.report.as_json import total_fields
from tracer.report.form import PLAIN
from tracer.report.outcome import process_command
from tracer.report.table import Column
from tracer.report.table import render as table
from tracer.report.totals import By, Sort

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracer.model import RunRecord
    from tracer.report.form import Page
    from tracer.report.totals import Total

_FIGURES: dict[str, Callable[[Total], str]] = {
    "calls": lambda total: units.count(total.calls),
    "errors": lambda total: units.count(total.errors),
    "blocked": lambda total: units.count(total.blocked),
    "unfinished": lambda total: units.count(total.unfinished),
    "time": lambda total: units.duration(total.total_ns),
    "mean": lambda total: units.duration(total.mean_ns),
    "max": lambda total: units.duration(total.max_ns),
}
# Latencies say little over unlike calls, and a command needs the room.
_FEW_FIGURES = {name: _FIGURES[name] for name in ("calls", "errors", "blocked", "time")}


class Figures(NamedTuple):
    """A table of a run's figures."""

    record: RunRecord
    by: By
    sort: Sort = Sort.CALLS
    limit: int | None = None
    """At most so many rows; None: all."""

    def data(self) -> Mapping[str, object]:
        """``rows`` is null without eBPF figures; times in ns."""
        if self.record.run.trace == "none":
            return {"rows": None}
        return {"rows": _objects(self.record, self.by, self.sort)[: self.limit]}

    def text(self, page: Page = PLAIN) -> str:
        """The table as lines; a last line says how many rows ``limit`` left out.

        Without eBPF figures it is one line that says why there are none.
        """
        run = self.record.run
        if run.trace == "none":
            why = run.trace_missing or "not asked for (--trace none)"
            return f"no syscalls are known of run {run.run_id}: {why}\n"
        columns, rows = _table(self.record, self.by, self.sort)
        left = 0 if self.limit is None else max(len(rows) - self.limit, 0)
        more = f"and {left} more: --limit {len(rows)} shows all\n" if left else ""
        return self._with_bars(table(columns, rows[: self.limit], page.width), page) + more

    def _with_bars(self, text: str, page: Page) -> str:
        """Bars of what it is sorted by, where the commands leave room for any."""
        room = bars.room_beside(text, page.columns)
        parts = _measures(self.record, self.by, self.sort)[: self.limit]
        if room < bars.LEAST_ROOM or not any(parts) or len(text.splitlines()) != len(parts) + 2:
            return text
        most = max(parts)
        marks = [bars.bar(part, most, room, plain=page.plain) for part in parts]
        return bars.beside(text, "", marks)


def _measures(record: RunRecord, by: By, sort: Sort) -> list[int]:
    """What each row is sorted by; by name: its calls."""
    if by is By.ERRNO:
        return [_measure_of_error(sort)(row) for row in _errors(record, sort)]
    measure = totals.MEASURES.get(sort, totals.MEASURES[Sort.CALLS])
    return [measure(total) for _, total in _groups(record, by, sort)]


def _objects(record: RunRecord, by: By, sort: Sort) -> list[dict[str, object]]:
    if by is not By.ERRNO:
        return [{**label, **total_fields(total)} for label, total in _groups(record, by, sort)]
    return [
        {
            "errno": row.errno,
            "errno_name": row.errno_name,
            "abi": row.abi,
            "name": row.name,
            "failed": row.failed,
            "blocked": row.blocked,
        }
        for row in _errors(record, sort)
    ]


def _table(record: RunRecord, by: By, sort: Sort) -> tuple[Sequence[Column], list[list[object]]]:
    if by is By.ERRNO:
        return _errno_table(record, sort)
    figures = _FIGURES if by is By.SYSCALL else _FEW_FIGURES
    labels = _LABELS[by]
    rows: list[list[object]] = [
        [
            *(text(total) for text in figures.values()),
            *(label[c.title] for c in labels),
        ]
        for label, total in _shown(record, by, sort)
    ]
    return [*(Column(name, right=True) for name in figures), *labels], rows


_LABELS = {
    By.PROCESS: (
        Column("pid", right=True),
        Column("image", right=True),
        Column("command", cut=True),
    ),
    By.THREAD: (
        Column("pid", right=True),
        Column("image", right=True),
        Column("tid", right=True),
        Column("command", cut=True),
    ),
    By.SYSCALL: (Column("syscall"),),
}
_KEYS = {
    By.PROCESS: ("process_id", "image", "pid"),
    By.THREAD: ("process_id", "image", "pid", "thread_id", "tid"),
}


def _groups(record: RunRecord, by: By, sort: Sort) -> list[tuple[dict[str, object], Total]]:
    """Label and sum of each group, sorted. The label's keys are columns of ``syscalls``."""
    if by is By.SYSCALL:
        sums = totals.by_syscall(record.syscalls)
        return [
            ({"abi": abi, "nr": nr, "name": name}, total)
            for (abi, nr, name), total in totals.ordered(sums, sort, lambda key: key[2])
        ]
    commands = _commands(record)
    fields = _KEYS[by]
    grouped = totals.group(record.syscalls, attrgetter(*fields))
    ranked = totals.ordered(grouped, sort, lambda key: commands.get(key[:2], ""))
    return [
        ({**dict(zip(fields, key, strict=True)), "command": commands.get(key[:2])}, total)
        for key, total in ranked
    ]


def _shown(record: RunRecord, by: By, sort: Sort) -> list[tuple[dict[str, object], Total]]:
    """The groups with what a table shows instead of bare values."""
    groups = _groups(record, by, sort)
    if by is By.SYSCALL:
        abis = {str(label["abi"]) for label, _ in groups}
        return [
            ({"syscall": totals.syscall_label(str(g["abi"]), str(g["name"]), abis)}, total)
            for g, total in groups
        ]
    return [({**g, "command": g["command"] or units.UNKNOWN}, total) for g, total in groups]


def _commands(record: RunRecord) -> dict[tuple[int, ...], str]:
    return {(item.process_id, item.image): process_command(item) for item in record.processes}


def _measure_of_error(sort: Sort) -> Callable[[totals.ErrorTotal], int]:
    """How often; an error has no time."""
    if sort is Sort.ERRORS:
        return lambda row: row.failed
    if sort is Sort.BLOCKED:
        return lambda row: row.blocked
    return lambda row: row.failed + row.blocked


def _errors(record: RunRecord, sort: Sort) -> list[totals.ErrorTotal]:
    """Sorted by how often; by name: by the errno's, then by the syscall's."""
    most = (lambda _: 0) if sort is Sort.NAME else _measure_of_error(sort)
    rows = totals.by_errno(record.syscall_errors)
    return sorted(rows, key=lambda row: (-most(row), row.errno_name, row.name))


def _errno_table(record: RunRecord, sort: Sort) -> tuple[Sequence[Column], list[list[object]]]:
    columns = (
        Column("failed", right=True),
        Column("blocked", right=True),
        Column("errno"),
        Column("abi"),
        Column("name"),
        Column("meaning"),
    )
    return columns, [
        [
            units.count(row.failed),
            units.count(row.blocked),
            row.errno_name,
            row.abi,
            row.name,
            units.error_meaning(row.errno),
        ]
        for row in _errors(record, sort)
    ]
