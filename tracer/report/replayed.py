"""``sbtrace profile replay``: what a profile would have refused of recorded runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import EXIT_FAILED
from tracer.profile import replay
from tracer.profile.unseen import FALLBACKS
from tracer.report import outcome, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.report.style import Style
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracer.profile import Profile
    from tracer.profile.machine import Program
    from tracer.profile.replay import Answer
    from tracer.query.observed import Source
    from tracer.query.recorded_calls import Recorded, RecordedCall
    from tracer.report.form import Page

EXIT_REFUSED = 1
_LABEL_WIDTH = len("not known")
_MOST_PROCESSES = 3
_ENOSYS = "libc's to get round: it takes another call"


class Row(NamedTuple):
    """A call of a run that would have been refused, or of which that is not known."""

    abi: str
    syscall: str
    calls: int
    """How many the processes made in all. Where arguments decide, ``reason`` says which."""
    by: tuple[str, ...]
    """``nginx (pid 12)``, in order of start."""
    answer: Answer
    excuse: str | None = None
    """Why it is not held against the profile; None if it is."""

    @property
    def counts(self) -> bool:
        """Whether the run fails by it."""
        return self.answer.permits is False and self.excuse is None


class Replayed(NamedTuple):
    """One run, as it would have gone as far as its first refused call."""

    source: Source
    rows: tuple[Row, ...]
    doubts: tuple[str, ...]
    """Why more may have been refused."""

    @property
    def passed(self) -> bool | None:
        """False if a call would have been refused; None if that is not known."""
        if any(row.counts for row in self.rows):
            return False
        unknown = any(row.answer.permits is None for row in self.rows)
        return None if unknown or self.doubts else True


class Replay(NamedTuple):
    """A profile against recorded runs."""

    profile: Profile
    runs: tuple[Replayed, ...]

    @property
    def exit_status(self) -> int:
        """0 if no run would have been refused a call, 1 if one would, 125 if that is unknown."""
        verdicts = {run.passed for run in self.runs}
        if False in verdicts:
            return EXIT_REFUSED
        return EXIT_FAILED if None in verdicts or not self.runs else 0

    def data(self) -> dict[str, object]:
        """``passed`` and ``permits`` are null where that is not known."""
        return {
            "profile": self.profile.name,
            "path": self.profile.path,
            "passed": sum(run.passed is True for run in self.runs),
            "runs": [_run_object(run) for run in self.runs],
        }

    def text(self, page: Page = PLAIN) -> str:
        """Every run that would have been refused something, and every call of it."""
        sheet, style = Sheet(page.columns, _LABEL_WIDTH), Style(page.colour)
        head = _head([run.passed for run in self.runs])
        sheet.line(f"{printable(self.profile.name)}: {head}")
        for run in self.runs:
            if run.passed is not True:
                _run(sheet, style, run)
        return sheet.text()


def replayed(profile: Profile, compiled: Program, recorded: Recorded) -> Replay:
    """What the profile would have done with each run."""
    judge = _Judge(profile, compiled)
    runs = []
    for source in recorded.sources:
        rows = _rows(judge, [call for call in recorded.calls if call.run_id == source.run_id])
        runs.append(Replayed(source, tuple(rows), tuple(_doubts(source))))
    return Replay(profile, tuple(runs))


def _doubts(source: Source) -> Iterable[str]:
    if not source.counted:
        yield "it ran without eBPF, so no call of it is known"
    elif not source.exact:
        yield "it is not exact: calls may be missing"


class _Judge:
    """Answers by the compiled filter, each question once."""

    def __init__(self, profile: Profile, compiled: Program) -> None:
        self._profile, self._compiled = profile, compiled
        self._known: dict[tuple[object, ...], Answer] = {}

    def of(self, call: RecordedCall) -> Answer:
        """The worst answer to any of the calls."""
        answers = [self._one(call, known) for known in call.known]
        refused = [each for each in answers if each.permits is False]
        if refused:
            return refused[0]
        if call.complete and answers:
            return next((each for each in answers if each.permits is None), answers[0])
        return self._one(call, {})

    def excuse(self, abi: str, name: str, answer: Answer) -> str | None:
        """Why an ENOSYS that an entry gives is not held against it: libc takes another call."""
        if answer.line is None or answer.action != "errno:ENOSYS":
            return None
        other = FALLBACKS.get(name)
        nr = syscalls.number(abi, other.name) if other else None
        if other is None or nr is None:
            return _ENOSYS
        taken = replay.answer(self._profile, self._compiled, abi, nr, {})
        return None if taken.permits is False else f"{_ENOSYS} ({other.name})"

    def _one(self, call: RecordedCall, known: Mapping[int, int]) -> Answer:
        key = (call.abi, call.nr, *sorted(known.items()))
        if key not in self._known:
            self._known[key] = replay.answer(
                self._profile, self._compiled, call.abi, call.nr, known
            )
        return self._known[key]


def _rows(judge: _Judge, calls: Sequence[RecordedCall]) -> list[Row]:
    """What would not have been let through, calls of one syscall and answer together."""
    found: dict[tuple[str, str, Answer], list[RecordedCall]] = {}
    for call in calls:
        answer = judge.of(call)
        if not answer.permits:
            found.setdefault((call.abi, call.name, answer), []).append(call)
    rows = [
        Row(
            *(abi, name, sum(call.calls for call in alike), _by(alike), answer),
            judge.excuse(abi, name, answer),
        )
        for (abi, name, answer), alike in found.items()
    ]
    return sorted(rows, key=lambda row: (not row.counts, -row.calls, row.syscall))


def _by(calls: Sequence[RecordedCall]) -> tuple[str, ...]:
    names = (f"{printable(call.program)} (pid {call.pid})" for call in calls)
    return tuple(dict.fromkeys(names))


def _head(verdicts: Sequence[bool | None]) -> str:
    passed = f"{verdicts.count(True)} of {units.counted(len(verdicts), 'run')} would have passed"
    unknown = verdicts.count(None)
    return f"{passed}, of {unknown} it is not known" if unknown else passed


def _run(sheet: Sheet, style: Style, run: Replayed) -> None:
    words = "refused" if run.passed is False else "not known"
    sheet.line()
    sheet.line(f"run {run.source.run_id}: {words}: {outcome.command(run.source.argv)}")
    for doubt in run.doubts:
        sheet.field("not known", doubt, style.warn)
    for row in run.rows:
        refused = row.answer.permits is False
        mark = style.bad if row.counts else style.warn
        more = len(row.by) - _MOST_PROCESSES
        by = ", ".join(row.by[:_MOST_PROCESSES]) + (f" and {more} more" if more > 0 else "")
        line = f"line {row.answer.line}: " if row.answer.line else ""
        sheet.field(
            "refused" if refused else "not known",
            f"{row.syscall} ({row.abi}): {row.answer.action}, {units.counted(row.calls, 'call')}"
            f" by {by}: {line}{row.answer.reason}" + (f"; but {row.excuse}" if row.excuse else ""),
            mark,
        )


def _run_object(run: Replayed) -> dict[str, object]:
    return {
        "run_id": run.source.run_id,
        "argv": list(run.source.argv),
        "passed": run.passed,
        "doubts": list(run.doubts),
        "calls": [_row_object(row) for row in run.rows],
    }


def _row_object(row: Row) -> dict[str, object]:
    return {
        "abi": row.abi,
        "syscall": row.syscall,
        "calls": row.calls,
        "by": list(row.by),
        **row.answer._asdict(),
        "excuse": row.excuse,
    }
