"""``sbtrace why``: what was blocked, a row a syscall; a profile that allows it; the details."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from tracer.report import as_json, blocked, cause, losses, outcome, remedies, rights, units
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
    from tracer.report.remedies import OwnProfile

_LOG_ALL = tied('default_action = "log"')
_COLUMNS = (
    Column("calls", right=True),
    Column("syscall"),
    Column("action"),
    Column("from", cut=True),
)


class Why(NamedTuple):
    """What was blocked in a run, from where, and what would allow it."""

    record: RunRecord
    remedy: RemedyOf | None = None
    own: OwnProfile | None = None
    """The profile that would allow it all; None where there is none to be made."""

    @classmethod
    def of(cls, record: RunRecord) -> Why:
        """With remedies by the profile of the run, as that was then."""
        return cls(record, remedies.of_run(record.run), remedies.own_profile(record))

    def data(self) -> Mapping[str, object]:
        """See ``as_json.run_object``'s ``blocked_calls``."""
        return {
            "run_id": self.record.run.run_id,
            "profile": self.record.run.profile,
            "blocked_calls": as_json.blocked_objects(_in_order(self.record), self.remedy),
            "denials": [denial._asdict() for denial in rights.denials(self.record)],
            "allowing_profile": self.own.text if self.own else None,
        }

    def text(self, page: Page = PLAIN) -> str:
        """One row for each syscall and action, the details of what killed, and how to get ``own``.

        The details (arguments, stack) of every distinct call with ``page.whole``, or where there
        is only one; those that killed first, then in order of time. ``own`` whole only where it is
        the answer: not below a stack, which it would push off the screen.
        """
        record, style = self.record, Style(page.colour)
        calls, sheet = _in_order(record), Sheet(page.columns, cause.LABEL_WIDTH)
        _head(sheet, style, record.run)
        if len(calls) > 1:
            sheet.line()
            sheet.block(table(_COLUMNS, _rows(record, calls), page.columns - 2))
        detailed = calls if page.whole or len(calls) == 1 else blocked.fatal(record)
        for call in detailed:
            sheet.line()
            cause.fields(sheet, style, record, call, self.remedy, whole_stack=True)
        _left(sheet, record, len(detailed), len(calls))
        rights.fields(sheet, record)
        if self.own is not None:
            follows = len(calls) > 1 and not blocked.fatal(record)
            _own_profile(sheet, self.own, record, follows=follows)
        return sheet.text()


def _head(sheet: Sheet, style: Style, run: Run) -> None:
    sheet.line(f"{style.strong('sbtrace')}: {outcome.words(run)}")
    sheet.field("command", outcome.command(run.argv))
    sheet.field("run", f"{run.run_id}, profile {run.profile}")


def _in_order(record: RunRecord) -> list[BlockedCall]:
    deadly = blocked.fatal(record)
    others, logged = blocked.blocked_and_logged(record)
    return deadly + [call for call in others if call not in deadly] + logged


def _rows(record: RunRecord, calls: list[BlockedCall]) -> list[tuple[str, str, str, str]]:
    """A row for each syscall and action, most calls first."""
    alike: dict[tuple[str, str, str], list[BlockedCall]] = {}
    for call in calls:
        alike.setdefault((call.abi, call.name, blocked.action_label(call)), []).append(call)
    native = calls[0].abi if len({call.abi for call in calls}) == 1 else None
    ranked = sorted(alike.items(), key=lambda item: -sum(call.count for call in item[1]))
    return [
        (
            units.count(sum(call.count for call in group)),
            name if abi == native else f"{name} ({abi})",
            action,
            _places(record, group),
        )
        for (abi, name, action), group in ranked
    ]


def _places(record: RunRecord, calls: list[BlockedCall]) -> str:
    """Where most of the calls came from, and how many other places there are."""
    counts: dict[str, int] = {}
    for call in calls:
        place = blocked.place_words(record, call)
        counts[place] = counts.get(place, 0) + call.count
    most = max(counts, key=lambda place: counts[place])
    others = len(counts) - 1
    return most + (f" and {units.counted(others, 'other place')}" if others else "")


def _left(sheet: Sheet, record: RunRecord, told: int, all_calls: int) -> None:
    """What is not among the details, and why."""
    if not record.blocked_calls:
        sheet.field("blocked", _nothing(record))
    elif told < all_calls:
        rest = units.counted(all_calls - told, "other call" if told else "distinct call")
        sheet.line()
        ask = tied(f"sbtrace why {record.run.run_id} --all")
        sheet.field("details", f"arguments and stacks of {rest}: {ask}")
    missing = losses.of_kernel(record)
    if missing:
        sheet.line()
        sheet.field("missing", "; ".join(missing))


def _own_profile(sheet: Sheet, own: OwnProfile, record: RunRecord, *, follows: bool) -> None:
    """How to get and use the profile; itself in one piece from the first column on."""
    name, run = shlex.quote(own.file_name), record.run
    options = "".join(f"{option} " for option in own.options)
    sheet.line()
    which = ", which follows" if follows else ""
    sheet.field("allow", f"all of it by a profile of your own{which}:")
    sheet.command(f"sbtrace why {run.run_id} --toml > {name}")
    sheet.command(f"sbtrace run --profile ./{name} {options}{outcome.command(run.argv)}")
    if follows:
        sheet.line()
        for line in own.text.splitlines():
            sheet.line(line)


def _nothing(record: RunRecord) -> str:
    run = record.run
    if run.trace == "none":
        why = run.trace_missing or "not asked for (--trace none)"
        died = "SIGSYS ended it; which call it was " if run.sigsys else "what was blocked "
        return f"{died}is unknown: {why}"
    if run.blocked_syscalls:
        return f"{run.blocked_syscalls:,} calls, of which no details are recorded"
    if remedies.filters(run):
        return "nothing: the filter blocked no call"
    return (
        f"nothing: profile {run.profile} has no filter. For a profile of what the command calls, "
        f"run it under a profile of one line, {_LOG_ALL}, and ask again"
    )
