"""``sbtrace profile verify``: whether a command works under a profile, and what it was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import EXIT_FAILED, EXIT_SIGNAL_BASE, EXIT_TIMED_OUT
from tracer.profile.calls import Call
from tracer.profile.reason import reason
from tracer.report import blocked, cause, losses, outcome, remedies, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.style import Style
from tracer.syscalls import errno_name
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.model import BlockedCall, Run, RunRecord
    from tracer.profile import Profile
    from tracer.profile.reason import Reason
    from tracer.report.form import Page

EXIT_REFUSED = 1
_ENOSYS = "libc's to get round: an entry answers it with ENOSYS, and libc takes another call"
_OWN_FILTER = "the profile lets it through: a filter that the command loaded itself refused it"
_UNENDED = "the command did not come to its own end: what it would have called is not known"
_UNREADABLE = "the profile as it was then cannot be read any more"
_MOST_COMMANDS = 3


class Refused(NamedTuple):
    """One syscall that was refused in one way by one entry of the profile."""

    abi: str
    syscall: str
    action: str
    """As a profile writes it; ``unknown`` where no details were recorded."""
    calls: int
    first: str | None
    """The first one as strace writes it; None without details."""
    by: tuple[str, ...]
    """The commands that made them."""
    line: int | None
    """The profile's line that decides; None where no entry does."""
    reason: str
    """Why the profile refuses it."""
    excuse: str | None
    """Why it is not held against the profile; None if it is."""
    remedy: str | None
    """What would allow it."""


class Verdict(NamedTuple):
    """What a run under a profile proves."""

    run: Run
    refused: tuple[Refused, ...]
    """Those that count first, then those that killed, then most calls first."""
    doubts: tuple[str, ...]
    """Why more may have been refused than was seen; empty for an exact run to its own end."""
    cut_short: int | None = None
    """128+N of a command that signal N ended, 124 of one out of time; None: it ended by itself."""

    @property
    def passed(self) -> bool | None:
        """False if a call was refused; None if none was seen, but one may be missing."""
        if any(each.excuse is None for each in self.refused):
            return False
        return None if self.doubts else True

    @property
    def exit_status(self) -> int:
        """0 passed, 1 refused. Where that cannot be told: ``cut_short``, or else 125."""
        if self.passed is None:
            return self.cut_short or EXIT_FAILED
        return 0 if self.passed else EXIT_REFUSED

    def data(self) -> Mapping[str, object]:
        """``passed`` is null where it cannot be told."""
        run = self.run
        return {
            "profile": run.profile,
            "profile_digest": run.profile_digest,
            "passed": self.passed,
            "run_id": run.run_id,
            "argv": list(run.argv),
            "outcome": run.outcome,
            "exit_code": run.exit_code,
            "term_signal": run.term_signal,
            "exact": run.exact,
            "total_syscalls": run.total_syscalls,
            "doubts": list(self.doubts),
            "refused": [row._asdict() for row in self.refused],
        }

    def text(self, page: Page = PLAIN) -> str:
        """How the command ended, and every refused call."""
        sheet, style = Sheet(page.columns, cause.LABEL_WIDTH), Style(page.colour)
        _head(sheet, style, self)
        for doubt in self.doubts:
            sheet.field("missing", doubt)
        for row in self.refused:
            _field(sheet, style, row)
        if self.passed:
            sheet.field("mind", "only what ran is proved: a path that was not taken asks for more")
        return sheet.text()


def judge(record: RunRecord) -> Verdict:
    """The verdict about a run and the profile that it was made under, as that was then."""
    profile = remedies.profile_of(record.run)
    rows = [_refused(record, profile, alike) for alike in _alike(record, profile)]
    rows += _untold(record, rows)
    ranked = tuple(sorted(rows, key=_rank))
    return Verdict(record.run, ranked, _doubts(record), _cut_short(record.run))


def _rank(row: Refused) -> tuple[bool, bool, int]:
    return row.excuse is not None, not row.action.startswith("kill"), -row.calls


def _doubts(record: RunRecord) -> tuple[str, ...]:
    cut = () if _cut_short(record.run) is None else (_UNENDED,)
    if record.run.trace == "none":
        return (*cut, record.run.trace_missing or "nothing was counted (--trace none)")
    return (*cut, *losses.of_counts(record))


def _cut_short(run: Run) -> int | None:
    if run.outcome == "timed_out":
        return EXIT_TIMED_OUT
    return None if run.term_signal is None else EXIT_SIGNAL_BASE + run.term_signal


def _alike(record: RunRecord, profile: Profile | None) -> list[list[BlockedCall]]:
    """The refused calls, those of one syscall, answer and line together."""
    found: dict[tuple[object, ...], list[BlockedCall]] = {}
    for call in blocked.blocked_and_logged(record)[0]:
        rule = profile.decide(call.abi, call.nr, call.args).rule if profile else None
        line = rule.line if rule else None
        found.setdefault((call.abi, call.name, call.action, call.errno, line), []).append(call)
    return list(found.values())


def _untold(record: RunRecord, told: Sequence[Refused]) -> list[Refused]:
    """Refused calls that were counted, and of which there was no room for details."""
    left: dict[tuple[str, str], int] = {}
    for stat in record.syscalls:
        if stat.blocked:
            left[stat.abi, stat.name] = left.get((stat.abi, stat.name), 0) + stat.blocked
    for row in told:
        left[row.abi, row.syscall] = left.get((row.abi, row.syscall), 0) - row.calls
    why = "no details were recorded"
    return [
        Refused(abi, name, "unknown", count, None, (), None, why, None, None)
        for (abi, name), count in left.items()
        if count > 0
    ]


def _refused(record: RunRecord, profile: Profile | None, calls: list[BlockedCall]) -> Refused:
    first = calls[0]
    asked = Call(first.abi, first.nr, first.name, first.args, len(first.args))
    why = reason(profile, asked) if profile else None
    return Refused(
        abi=first.abi,
        syscall=first.name,
        action=_action(first),
        calls=sum(call.count for call in calls),
        first=blocked.call_words(first),
        by=_commands(record, calls),
        line=why.line if why else None,
        reason=why.words if why else _UNREADABLE,
        excuse=_excuse(why),
        remedy=remedies.of_profile(profile)(first) if profile else None,
    )


def _action(call: BlockedCall) -> str:
    return f"errno:{errno_name(call.errno)}" if call.errno is not None else call.action.lower()


def _excuse(why: Reason | None) -> str | None:
    if why is None:
        return None
    if why.line is not None and why.action == "errno:ENOSYS":
        return _ENOSYS
    return _OWN_FILTER if why.action in ("allow", "log") else None


def _commands(record: RunRecord, calls: Sequence[BlockedCall]) -> tuple[str, ...]:
    owners = (blocked.owner(record, call) for call in calls)
    return tuple(dict.fromkeys(outcome.process_command(owner) for owner in owners if owner))


def _head(sheet: Sheet, style: Style, found: Verdict) -> None:
    run = found.run
    words, mark = {
        True: ("passes", style.good),
        False: ("does not pass", style.bad),
        None: ("cannot be told", style.warn),
    }[found.passed]
    sheet.line(f"{style.strong('sbtrace')}: {printable(run.profile)}: {mark(words)}")
    sheet.field("command", outcome.command(run.argv))
    sheet.field("run", f"{run.run_id}, {outcome.words(run)}")
    if run.total_syscalls is not None:
        sheet.field("syscalls", f"{units.counted(run.total_syscalls, 'call')}, {_sums(found)}")


def _sums(found: Verdict) -> str:
    held = sum(row.calls for row in found.refused if row.excuse is None)
    excused = sum(row.calls for row in found.refused) - held
    beside = f", and {units.count(excused)} as it is meant to be" if excused else ""
    return f"{units.count(held) if held else 'none'} refused{beside}"


def _field(sheet: Sheet, style: Style, row: Refused) -> None:
    mark = style.bad if row.excuse is None else style.warn
    sheet.line()
    times = units.counted(row.calls, "call")
    sheet.field("refused", f"{row.syscall} ({row.abi}): {row.action}, {times}", mark)
    if row.first:
        sheet.field("first", row.first)
    if row.by:
        more = len(row.by) - _MOST_COMMANDS
        rest = f" and {more} more" if more > 0 else ""
        sheet.field("by", ", ".join(row.by[:_MOST_COMMANDS]) + rest)
    sheet.field("because" if row.line is None else f"line {row.line}", row.reason)
    if row.excuse:
        sheet.field("but", row.excuse)
    elif row.remedy:
        sheet.field("allow it", row.remedy, style.good)
