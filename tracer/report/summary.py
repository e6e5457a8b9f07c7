"""What ``run`` says at the end: the whole run on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.report import as_json, blocked, cause, losses, outcome, remedies, rights, totals, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet, tied
from tracer.report.style import Style
from tracer.report.table import Column
from tracer.report.table import render as table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.model import BlockedCall, Run, RunRecord
    from tracer.report.blocked import RemedyOf
    from tracer.report.form import Page

_TOP = 10
_MINOR_LINES = 5
_COLUMNS = (
    Column("calls", right=True),
    Column("errors", right=True),
    Column("blocked", right=True),
    Column("time", right=True),
    Column("mean", right=True),
    Column("syscall"),
)


class Summary(NamedTuple):
    """A whole run: what ``run`` gives at its end, and ``show`` later."""

    record: RunRecord
    remedy: RemedyOf | None = None
    """Gives the line of the profile that would allow a blocked call, or None."""

    @classmethod
    def of(cls, record: RunRecord) -> Summary:
        """With remedies by the profile of the run, as that was then."""
        return cls(record, remedies.of_run(record.run))

    def data(self) -> Mapping[str, object]:
        """See ``as_json.run_object``."""
        return as_json.run_object(self.record, self.remedy)

    def text(self, page: Page = PLAIN) -> str:
        """One screen. What is not known is shown as ``-`` or said in words."""
        style, sheet, record = (
            Style(page.colour),
            Sheet(page.columns, cause.LABEL_WIDTH),
            self.record,
        )
        _headline(sheet, style, record.run)
        _figures(sheet, record.run)
        _syscalls(sheet, record)
        _blocked(sheet, style, record, self.remedy)
        rights.fields(sheet, record, most=_MINOR_LINES)
        _top(sheet, record, page.columns)
        return sheet.text()


def _headline(sheet: Sheet, style: Style, run: Run) -> None:
    mark = style.good if outcome.is_good(run) else style.bad
    sheet.line(f"{style.strong('sbtrace')}: {mark(outcome.words(run))}")
    sheet.field("command", outcome.command(run.argv))
    whose = ", as root" if run.target_uid == 0 else ""
    sheet.field("run", f"{run.run_id}, profile {run.profile}{whose}")
    if run.limit_hit is not None:
        sheet.field("limit", run.limit_hit)


def _figures(sheet: Sheet, run: Run) -> None:
    times = (
        f"{units.duration(run.wall_ns)} wall, {units.duration(run.user_ns)} user,"
        f" {units.duration(run.system_ns)} system"
    )
    if run.peak_cpu_percent is not None:
        times += f", CPU peak {units.percent(run.peak_cpu_percent)}"
    sheet.field("time", times)
    sheet.field(
        "memory",
        f"{units.size(run.max_rss_bytes)} peak ({units.size(run.peak_vm_bytes)} virtual),"
        f" {units.counted(run.minor_faults, 'minor fault')},"
        f" {units.count(run.major_faults)} major",
    )
    sheet.field(
        "I/O",
        f"{units.counted(run.read_syscalls, 'read')},"
        f" {units.counted(run.write_syscalls, 'write')} by /proc/PID/io",
    )


def _syscalls(sheet: Sheet, record: RunRecord) -> None:
    run = record.run
    if run.trace == "none":
        why = run.trace_missing or "not asked for (--trace none)"
        sheet.field("syscalls", f"unknown: {why}")
        rest = [losses.words(loss) for loss in record.losses]
    else:
        sheet.field("syscalls", _counts(run, losses.of_counts(record)))
        rest = losses.of_the_rest(record)
    if rest:
        sheet.field("missing", "; ".join(rest))


def _counts(run: Run, lost: list[str]) -> str:
    parts = (
        f"{units.counted(run.error_syscalls, 'error')},"
        f" {units.count(run.unfinished_syscalls)} unfinished,"
        f" {units.count(run.blocked_syscalls)} blocked"
    )
    if run.total_syscalls is None:
        return f"unknown, because {'; '.join(lost)}" if lost else "unknown"
    calls = units.counted(run.total_syscalls, "call")
    if lost:
        return f"at least {calls}, because {'; '.join(lost)}; {parts}"
    return f"{calls}, {parts}: exact"


def _blocked(sheet: Sheet, style: Style, record: RunRecord, remedy: RemedyOf | None) -> None:
    died_of = blocked.fatal(record)
    if died_of:
        sheet.line()
        cause.fields(sheet, style, record, died_of[0], remedy)
    elif record.run.outcome == "blocked":
        text = "by SIGSYS; which call it was is unknown without eBPF"
        sheet.field("blocked", text, style.bad)
    others, logged = blocked.blocked_and_logged(record)
    _minor(sheet, "blocked", [call for call in others if call not in died_of[:1]], record)
    _minor(sheet, "logged", logged, record)


def _minor(sheet: Sheet, label: str, calls: list[BlockedCall], record: RunRecord) -> None:
    """One line for each syscall and action that did not end the run."""
    sums: dict[tuple[str, str], int] = {}
    for call in calls:
        key = (call.name, blocked.action_label(call))
        sums[key] = sums.get(key, 0) + call.count
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{name} {units.count(n)}x ({action})" for (name, action), n in ranked]
    if len(texts) > _MINOR_LINES:
        texts = [*texts[:_MINOR_LINES], f"{len(texts) - _MINOR_LINES} more"]
    if texts:
        sheet.field(label, f"{', '.join(texts)}: {tied(f'sbtrace why {record.run.run_id}')}")


def _top(sheet: Sheet, record: RunRecord, width: int) -> None:
    sums = totals.by_syscall(record.syscalls)
    if not sums:
        return
    abis = [abi for abi, _, _ in sums]
    ranked = totals.ordered(sums, totals.Sort.CALLS, lambda key: key[2])
    rows = [
        (
            units.count(total.calls),
            units.count(total.errors),
            units.count(total.blocked),
            units.duration(total.total_ns),
            units.duration(total.mean_ns),
            totals.syscall_label(abi, name, abis),
        )
        for (abi, _, name), total in ranked[:_TOP]
    ]
    sheet.line()
    sheet.block(table(_COLUMNS, rows, width - 2))
    if len(ranked) > _TOP:
        left = len(ranked) - _TOP
        noun = "syscall" if left == 1 else "syscalls"
        sheet.line(f"  and {left} more {noun}: sbtrace show {record.run.run_id} --by syscall")
