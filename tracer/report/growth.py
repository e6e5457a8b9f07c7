"""What a run asked of the kernel beyond its baseline, and whether a build may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import EXIT_FAILED
from tracer.report import argument_values, blocked, grown, losses, outcome, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet, tied
from tracer.report.style import Style
from tracer.store.baseline import Surface
from tracer.syscalls import errno_name
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tracer.model import BlockedCall, RunRecord
    from tracer.query.values import Values
    from tracer.report.form import Page
    from tracer.report.grown import Call, Growth, Makers
    from tracer.store.baseline import Baseline

EXIT_GROWN = 1
_LABEL_WIDTH = len("not known")
_LABELS = {"refused": "refused", "unknown": "not known"}
_LOST = ("kernel", "lost_arguments")
_WITHOUT_VALUES = (
    "which values of arguments were accepted: the baseline is of an older sbtrace and has none, so "
    "none is compared; --update adds those of a run"
)


class Finding(NamedTuple):
    """What a check found."""

    record: RunRecord
    own: int
    """The exit status that the run has without a check: the command's."""
    baseline: Baseline
    found: Surface
    """All that this run asked for."""
    beyond: Surface
    """What this run or an earlier check saw that nobody has accepted."""
    grown: tuple[Growth, ...]
    """The same, one by one."""
    gone: Surface
    """What the baseline has and this run did not do: no failure, as not every run goes every
    way."""
    doubts: tuple[str, ...]
    """Why the run may have asked for more than was seen; empty for an exact one."""
    not_known: tuple[str, ...]
    """What is not compared and fails nothing, as it was accepted so."""
    update: bool
    """Whether what was found is to be accepted."""

    @property
    def is_accepted(self) -> bool:
        """Whether it is: the run was exact, and the command ended well."""
        return self.update and not self.doubts and outcome.is_good(self.record.run)

    @property
    def exit_status(self) -> int:
        """1 grown, 125 not exact, else the command's own."""
        if self.grown and not self.is_accepted:
            return EXIT_GROWN
        return EXIT_FAILED if self.doubts else self.own

    def data(self) -> Mapping[str, object]:
        """``passed``: whether a build may go on."""
        run = self.record.run
        return {
            "baseline": str(self.baseline.path),
            "passed": self.exit_status == 0,
            "accepted": self.is_accepted,
            "run_id": run.run_id,
            "argv": list(run.argv),
            "profile": run.profile,
            "outcome": run.outcome,
            "exit_code": run.exit_code,
            "term_signal": run.term_signal,
            "exact": run.exact,
            "doubts": list(self.doubts),
            "not_known": list(self.not_known),
            "grown": [
                {**growth._asdict(), "values": [value._asdict() for value in growth.values]}
                for growth in self.grown
            ],
            "gone": _gone_object(self.gone),
        }

    def text(self, page: Page = PLAIN) -> str:
        """The headline, what is beyond the baseline, and what to do about it."""
        run, style = self.record.run, Style(page.colour)
        sheet = Sheet(page.columns, _LABEL_WIDTH)
        is_good = self._replace(own=0).exit_status == 0 and outcome.is_good(run)
        path = printable(str(self.baseline.path))
        mark = style.good if is_good else style.bad
        sheet.line(f"{style.strong('sbtrace')}: {path}: {mark(headline(self))}")
        sheet.field("command", outcome.command(run.argv))
        sheet.field("run", f"{run.run_id}, {outcome.words(run)}")
        for doubt in self.doubts:
            sheet.field("missing", doubt)
        for growth in self.grown:
            sheet.field(_LABELS.get(growth.kind, "new"), growth.words, style.bad)
        _rest(sheet, self, path)
        return sheet.text()


def find(
    record: RunRecord,
    baseline: Baseline,
    values: Values | None,
    makers: Makers | None = None,
    *,
    update: bool,
    own: int = 0,
) -> Finding:
    """Compare a run with its baseline.

    ``own``: the exit status that the run has without a check. ``values``: the arguments of its
    calls; None if they could not be read. ``makers``: who made which calls, where that is known.
    """
    found, accepted = surface(record, values), baseline.accepted or Surface()
    beyond = beyond_baseline(found, baseline, update=update)
    unknown = values.unknown if values else {}
    compares = update or baseline.has_values
    made = grown.CheckedRun(record, found, unknown, makers or {})
    return Finding(
        record,
        own,
        baseline,
        found,
        beyond,
        tuple(grown.listed(made, beyond, accepted)),
        _gone(found, accepted),
        tuple(_doubts(record, values, compares=compares)),
        tuple(_not_known(accepted, unknown)) if compares else (_WITHOUT_VALUES,),
        update,
    )


def beyond_baseline(found: Surface, baseline: Baseline, *, update: bool) -> Surface:
    """What this run or an earlier check saw that nobody has accepted.

    Beside a baseline without values none is new but those of a new call, unless it is updated.
    """
    beyond = (found | baseline.grown) - (baseline.accepted or Surface())
    if update or baseline.has_values:
        return beyond
    return beyond._replace(
        values=frozenset(way for way in beyond.values if way[:2] in beyond.calls),
        unknown=beyond.unknown & beyond.calls,
    )


def _gone(found: Surface, accepted: Surface) -> Surface:
    """Values only of calls that the run made, and of which it is known how."""
    gone, told = accepted - found, found.calls - found.unknown
    values = frozenset(way for way in gone.values if way[:2] in told)
    return gone._replace(values=values, unknown=frozenset())


def _doubts(record: RunRecord, values: Values | None, *, compares: bool) -> Iterator[str]:
    if record.run.trace == "none":
        yield record.run.trace_missing or "nothing was counted (--trace none)"
        return
    yield from losses.of_counts(record)
    if compares:
        if values is None:
            yield "the values of arguments, as the run is not in the database"
        lost = (loss for loss in record.losses if (loss.collector, loss.kind) == _LOST)
        yield from map(losses.words, lost)


def _not_known(accepted: Surface, unknown: Mapping[Call, str]) -> Iterator[str]:
    for abi, name in sorted(accepted.unknown & unknown.keys()):
        yield f"all values of {name} ({abi}), which is accepted: {unknown[abi, name]}"


def surface(record: RunRecord, values: Values | None) -> Surface:
    """What a run asked of the kernel; ``values``: the arguments of its calls, if they are known."""
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
        values.known if values else frozenset(),
        frozenset(values.unknown if values else ()),
    )


def _refused_calls(record: RunRecord) -> Iterable[BlockedCall]:
    return blocked.blocked_and_logged(record)[0]


def _action(call: BlockedCall) -> str:
    return f"errno:{errno_name(call.errno)}" if call.errno is not None else call.action.lower()


def _rest(sheet: Sheet, found: Finding, path: str) -> None:
    """What fails nothing, and how to accept what does."""
    for note in found.not_known:
        sheet.field("not known", note)
    if found.gone and not found.update:
        sheet.field("not seen", _names(found.gone))
    if found.grown and not found.is_accepted:
        sheet.field("kept", f"in {path}.grown: delete it once the program does this no more, or")
        sheet.field("accept", tied(accepting(found)))


def headline(found: Finding) -> str:
    """What came of it, in one phrase."""
    record = found.record
    run, count = record.run, len(found.grown)
    ended = "" if outcome.is_good(run) else f"; the command failed: {outcome.words(run)}"
    what = f"{_counted(found.grown)} beyond it"
    if found.is_accepted:
        return f"accepted: {what}" if count else "accepted: nothing new"
    if found.update:
        why = _inexact(record) if found.doubts else "the command failed"
        return f"not updated, as {why}{ended if found.doubts else f': {outcome.words(run)}'}"
    if count:
        return f"{what}{ended}"
    told = f"cannot be told: {_inexact(record)}" if found.doubts else "nothing new"
    return f"{told}{ended}"


def _inexact(record: RunRecord) -> str:
    exact = record.run.trace == "full" and not losses.of_counts(record)
    return "arguments of its calls are missing" if exact else "the run is not exact"


def _counted(growths: Sequence[Growth]) -> str:
    kinds = [growth.kind for growth in growths]
    counts = (
        (kinds.count("call") + kinds.count("refused"), "syscall"),
        (kinds.count("value"), "argument value"),
        (kinds.count("unknown"), "call of unknown values"),
    )
    return _and([units.counted(count, noun) for count, noun in counts if count])


def _and(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def accepting(found: Finding) -> str:
    """The command that accepts what was found."""
    record = found.record
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
    values = [f"{way[1]} ({argument_values.way_text(way)})" for way in sorted(gone.values)]
    return "; ".join(filter(None, [", ".join([*plain, *refused]), "; ".join(values)]))


def _gone_object(gone: Surface) -> dict[str, object]:
    return {
        "calls": _objects(gone.calls),
        "refused": _objects(gone.refused),
        "values": [
            {
                "abi": way[0],
                "syscall": way[1],
                "values": [value._asdict() for value in argument_values.of_way(way)],
            }
            for way in sorted(gone.values)
        ],
    }


def _objects(entries: Iterable[tuple[str, str]]) -> Sequence[dict[str, str]]:
    return [{"abi": abi, "entry": name} for abi, name in sorted(entries)]
