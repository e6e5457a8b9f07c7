"""Why a call was blocked, as labelled lines: the same in the summary and in ``why``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.report import blocked
from tracer.report.layout import tied

if TYPE_CHECKING:
    from tracer.model import BlockedCall, RunRecord
    from tracer.report.blocked import RemedyOf
    from tracer.report.layout import Sheet
    from tracer.report.style import Style

LABEL_WIDTH = len("syscalls")


def fields(
    sheet: Sheet,
    style: Style,
    record: RunRecord,
    call: BlockedCall,
    remedy: RemedyOf | None,
    *,
    whole_stack: bool = False,
) -> None:
    """What was called, by whom, from where, and what would allow it.

    Two frames of the stack are shown, or all: the innermost, and the innermost in the program's
    own code.
    """
    logged = call.action == "LOG"
    what = f"{call.name} ({call.abi} {call.nr}): {blocked.action_words(call)}"
    mark = style.warn if logged else style.bad
    sheet.field("logged" if logged else "blocked", f"{what} ({call.action})", mark)
    sheet.field("call", blocked.call_words(call))
    sheet.field("by", f"{blocked.who(record, call)}, {blocked.when(call)}")
    if whole_stack:
        _stack(sheet, call)
    else:
        _ends_of_stack(sheet, record, call)
    line = remedy(call) if remedy else None
    if line:
        sheet.field("allow it", _in_one_piece(line), style.good)


def _in_one_piece(remedy: str) -> str:
    """``remedy`` with its change to the profile, which is to be copied, as one word."""
    first, *rule = remedy.split("\n")
    if "[" not in first:
        return remedy
    where, colon, change = first.partition(": ")
    change, comma, other = change.partition(", or only")
    return "\n".join([where + colon + tied(change) + comma + other, *rule])


def _ends_of_stack(sheet: Sheet, record: RunRecord, call: BlockedCall) -> None:
    if not call.frames:
        return
    sheet.field("at", blocked.frame_words(call.frames[0]))
    own = blocked.own_frame(call.frames, blocked.owner(record, call))
    if own is not None and own != call.frames[0]:
        sheet.field("from", blocked.frame_words(own))


def _stack(sheet: Sheet, call: BlockedCall) -> None:
    if not call.frames:
        sheet.field("at", f"{call.instruction_pointer:#x}; the stack is unknown")
    for number, frame in enumerate(call.frames):
        label = "at" if number == 0 else "from"
        sheet.field(label, blocked.frame_words(frame))
