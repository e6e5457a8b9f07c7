"""What a run asked of the kernel beyond its baseline, and whether a build may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import EXIT_FAILED
from tracer.report import blocked, cause, losses, outcome, units
from tracer.report.layout import Sheet, tied
from tracer.report.style import Style
from tracer.report.text import printable
from tracer.store.baseline import Surface
from tracer.syscalls import errno_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracer.model import BlockedCall, Process, RunRecord
    from tracer.store.baseline import Baseline

    Callers = Mapping[tuple[str, str], Sequence[Process]]

EXIT_GROWN = 1
_MOST_COMMANDS = 3


class Growth(NamedTuple):
    """One thing that the baseline does not have."""

    kind: str
    """``call`` or ``refused``."""
    abi: str
    syscall: str
    action: str | None
    """What the filter answered; None for a call that was let through."""
    calls: int | None
    """How many this run made; None if only an earlier check saw it."""
    by: tuple[str, ...]
    """Which commands made them."""

    @property
    def words(self) -> str:
        """In one line."""
        what = f"{self.syscall} ({self.abi})" + (f": {self.action}" if self.action else "")
        if self.calls is None:
            return f"{what}, by an earlier check, not by this run"
        more = len(self.by) - _MOST_COMMANDS
        rest = f" and {more} more" if more > 0 else ""
        by = f", by {', '.join(self.by[:_MOST_COMMANDS])}{rest}" if self.by else ""
        return f"{what}, {units.counted(self.calls, 'call')}{by}"


class Finding(NamedTuple):
    """What a check found."""

    baseline: Baseline
    found: Surface
    """All that this run asked for."""
    grown: tuple[Growth, ...]
    gone: Surface
    """What the baseline has and this run did not do: no failure, as not every run goes every
    way."""
    doubts: tuple[str, ...]
    """Why the run may have asked for more than was seen; empty for an exact one."""
    update: bool
    """Whether what was found is to be accepted."""

    def is_accepted(self, record: RunRecord) -> bool:
        """Whether it may be: of a run that was exact, and whose command ended well."""
        return self.update and not self.doubts and outcome.is_good(record.run)

    def exit_status(self, record: RunRecord, own: int) -> int:
        """1 grown, 125 not exact, else ``own``, the command's."""
        if self.grown and not self.is_accepted(record):
            return EXIT_GROWN
        if self.doubts:
            return EXIT_FAILED
        return own


def find(
    record: RunRecord, baseline: Baseline, callers: Callers | None = None, *, update: bool
) -> Finding:
    """Compare a run with its baseline. ``callers``: who made which calls, where that is known."""
    found = surface(record)
    accepted = baseline.accepted or Surface()
    beyond = beyond_baseline(record, baseline)
    return Finding(
        baseline,
        found,
        tuple(_grown(record, beyond, callers or {})),
        accepted - found,
        _doubts(record),
        update,
    )


def beyond_baseline(record: RunRecord, baseline: Baseline) -> Surface:
    """What this run or an earlier check saw that nobody has accepted."""
    return (surface(record) | baseline.grown) - (baseline.accepted or Surface())


def _doubts(record: RunRecord) -> tuple[str, ...]:
    if record.run.trace == "none":
        return (record.run.trace_missing or "nothing was counted (--trace none)",)
    return tuple(losses.of_counts(record))


def surface(record: RunRecord) -> Surface:
    """What a run asked of the kernel."""
    calls = {(stat.abi, stat.name) for stat in record.syscalls if stat.calls}
    told = {(call.abi, call.name, _action(call)) for call in _refused_calls(record)}
    known = {(abi, name) for abi, name, _ in told}
    untold = {
        (stat.abi, f"{stat.name} unknown")
        for stat in record.syscalls
        if stat.blocked and (stat.abi, stat.name) not in known
    }
    return Surface(
        frozenset(calls),
        frozenset({(abi, f"{name} {action}") for abi, name, action in told} | untold),
    )


def _refused_calls(record: RunRecord) -> Iterable[BlockedCall]:
    return blocked.blocked_and_logged(record)[0]


def _action(call: BlockedCall) -> str:
    return f"errno:{errno_name(call.errno)}" if call.errno is not None else call.action.lower()


def _grown(record: RunRecord, beyond: Surface, callers: Callers) -> Iterable[Growth]:
    for abi, name in sorted(beyond.calls):
        yield _one(record, callers, (abi, name), None)
    for abi, entry in sorted(beyond.refused):
        name, _, action = entry.partition(" ")
        yield _one(record, callers, (abi, name), action)


def _one(record: RunRecord, callers: Callers, key: tuple[str, str], action: str | None) -> Growth:
    made = sum(
        stat.blocked if action else stat.calls
        for stat in record.syscalls
        if (stat.abi, stat.name) == key
    )
    by = tuple(dict.fromkeys(map(outcome.process_command, callers.get(key, ()))))
    return Growth("refused" if action else "call", *key, action, made or None, by if made else ())


def render(record: RunRecord, found: Finding, width: int = 80, *, colour: bool = False) -> str:
    """The finding for a person."""
    style, run = Style(colour), record.run
    sheet = Sheet(width, cause.LABEL_WIDTH)
    mark = style.good if found.exit_status(record, 0) == 0 and outcome.is_good(run) else style.bad
    path = printable(str(found.baseline.path))
    sheet.line(f"{style.strong('sbtrace')}: {path}: {mark(headline(record, found))}")
    sheet.field("command", outcome.command(run.argv))
    sheet.field("run", f"{run.run_id}, {outcome.words(run)}")
    for doubt in found.doubts:
        sheet.field("missing", doubt)
    for growth in found.grown:
        sheet.field("new" if growth.kind == "call" else "refused", growth.words, style.bad)
    if found.gone and not found.update:
        sheet.field("not seen", _names(found.gone))
    if found.grown and not found.is_accepted(record):
        sheet.field("kept", f"in {path}.grown: delete it once the program does this no more, or")
        sheet.field("accept", tied(accepting(record, found)))
    return sheet.text()


def headline(record: RunRecord, found: Finding) -> str:
    """What came of it, in one phrase."""
    run, count = record.run, len(found.grown)
    ended = "" if outcome.is_good(run) else f"; the command failed: {outcome.words(run)}"
    what = f"{units.counted(count, 'syscall')} beyond it"
    if found.is_accepted(record):
        return f"accepted: {what}" if count else "accepted: nothing new"
    if found.update:
        why = "the run is not exact" if found.doubts else "the command failed"
        return f"not updated, as {why}{ended if found.doubts else f': {outcome.words(run)}'}"
    if count:
        return f"{what}{ended}"
    return f"cannot be told: the run is not exact{ended}" if found.doubts else f"nothing new{ended}"


def accepting(record: RunRecord, found: Finding) -> str:
    """The command that accepts what was found."""
    path = outcome.command([str(found.baseline.path)])
    profile = (
        ""
        if record.run.profile == "LEARNING"
        else (f" --profile {outcome.command([record.run.profile_path])}")
    )
    return (
        f"sbtrace check --baseline {path} --update{profile} -- {outcome.command(record.run.argv)}"
    )


def _names(gone: Surface) -> str:
    plain = [name for _, name in sorted(gone.calls)]
    refused = [f"{name} (refused)" for _, name in sorted(gone.refused)]
    return ", ".join([*plain, *refused])


def to_object(record: RunRecord, found: Finding, own: int) -> dict[str, object]:
    """The same as data. ``passed``: whether a build may go on."""
    run = record.run
    return {
        "baseline": str(found.baseline.path),
        "passed": found.exit_status(record, own) == 0,
        "accepted": found.is_accepted(record),
        "run_id": run.run_id,
        "argv": list(run.argv),
        "profile": run.profile,
        "outcome": run.outcome,
        "exit_code": run.exit_code,
        "term_signal": run.term_signal,
        "exact": run.exact,
        "doubts": list(found.doubts),
        "grown": [growth._asdict() for growth in found.grown],
        "gone": {
            "calls": _objects(found.gone.calls),
            "refused": _objects(found.gone.refused),
        },
    }


def _objects(entries: Iterable[tuple[str, str]]) -> Sequence[dict[str, str]]:
    return [{"abi": abi, "entry": name} for abi, name in sorted(entries)]
