"""``sbtrace why``: every distinct blocked call of a run, in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.report import blocked, cause, losses, outcome
from tracer.report.as_json import blocked_objects
from tracer.report.layout import Sheet
from tracer.report.style import Style

if TYPE_CHECKING:
    from tracer.model import BlockedCall, RunRecord
    from tracer.report.blocked import Remedy


def render(
    record: RunRecord, width: int = 80, *, colour: bool = False, remedy: Remedy | None = None
) -> str:
    """One paragraph for each distinct call, those that killed first, then in order of time."""
    run, style, sheet = record.run, Style(colour), Sheet(width, cause.LABEL_WIDTH)
    sheet.line(f"{style.strong('sbtrace')}: {outcome.words(run)}")
    sheet.field("command", outcome.command(run.argv))
    sheet.field("run", f"{run.run_id}, profile {run.profile}")
    for call in _in_order(record):
        sheet.line()
        cause.fields(sheet, style, record, call, remedy, whole_stack=True)
    if not record.blocked_calls:
        sheet.field("blocked", _nothing(record))
    missing = losses.of_kernel(record)
    if missing:
        sheet.line()
        sheet.field("missing", "; ".join(missing))
    return sheet.text()


def objects(record: RunRecord, remedy: Remedy | None = None) -> list[dict[str, object]]:
    """The same as data: see ``as_json.run_object``'s ``blocked_calls``."""
    return blocked_objects(_in_order(record), remedy)


def _in_order(record: RunRecord) -> list[BlockedCall]:
    deadly = blocked.fatal(record)
    refused, logged = blocked.blocked_and_logged(record)
    return deadly + [call for call in refused if call not in deadly] + logged


def _nothing(record: RunRecord) -> str:
    run = record.run
    if run.trace == "none":
        why = run.trace_missing or "not asked for (--trace none)"
        died = "SIGSYS ended it; which call it was " if run.sigsys else "what was blocked "
        return f"{died}is unknown: {why}"
    if run.blocked_syscalls:
        return f"{run.blocked_syscalls:,} calls, of which no details are recorded"
    return "nothing: the filter refused no call"
