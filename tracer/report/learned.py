"""``sbtrace profile learn``: what the profile rests on, and what it does not cover."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import tracer
from tracer.decode import value_texts
from tracer.errors import NothingToLearn, ProfileError, UsageError
from tracer.profile import learn as learning
from tracer.profile import learned_file, parse
from tracer.profile.amend import amend
from tracer.profile.learned_file import Sources
from tracer.profile.lines import Lines
from tracer.profile.parse import parse_action
from tracer.profile.where import Where
from tracer.report import outcome, units
from tracer.report.form import PLAIN
from tracer.report.layout import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.profile import Profile
    from tracer.profile.amend import Amended
    from tracer.profile.learn import Learned, Tightness
    from tracer.query.observed import Observed, Source
    from tracer.query.phases import Phases
    from tracer.report.form import Page

_LABEL_WIDTH = len("not exact")
_NEVER_RUN = (
    "what never ran is not in it: think of a reload, a rotation of logs, a full disk, a lost "
    "connection, the end by a signal; run those too, and learn again from all runs"
)
_NAME = r"[^A-Za-z0-9._-]"
_MOST_NAMES, _MOST_RUNS = 8, 4
_CUT_SHORT = ("signaled", "timed_out", "interrupted")
"""Outcomes. ``blocked`` is none of them: it is said in words of its own."""


class Coverage(NamedTuple):
    """How much the runs can have shown."""

    runs: int
    calls: int
    """Distinct calls, of every ABI."""
    last_new: tuple[str, ...]
    """The calls that were new last."""
    last_new_run: int
    """Which run brought them, counted from 1; 0 without any call."""
    last_new_at: datetime | None
    rare: tuple[str, ...]
    """Calls that one of several runs made."""


def coverage(observed: Observed) -> Coverage:
    """What the counted runs have shown, in their order."""
    sources = [source for source in observed.sources if source.counted]
    order = {source.run_id: number for number, source in enumerate(sources, start=1)}
    first: dict[int, list[str]] = {}
    for use in observed.uses:
        first.setdefault(min(order[run] for run in use.runs), []).append(use.name)
    last = max(first, default=0)
    rare = [use.name for use in observed.uses if learning.is_rare([use], len(sources))]
    return Coverage(
        len(sources),
        len(observed.uses),
        tuple(sorted(first.get(last, ()))),
        last,
        sources[last - 1].started_at if last else None,
        tuple(sorted(rare)),
    )


def sources_of(observed: Observed) -> Sources:
    """The head of the profile's file."""
    sources = [source for source in observed.sources if source.counted]
    commands = list(dict.fromkeys(outcome.command(source.argv) for source in sources))
    others = f" and {units.counted(len(commands) - 1, 'other command')}" if commands[1:] else ""
    days = list(dict.fromkeys(f"{source.started_at:%Y-%m-%d}" for source in sources))
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    kernels = ", ".join(dict.fromkeys(source.kernel for source in sources))
    return Sources(
        tuple(source.run_id for source in sources),
        commands[0] + others,
        f"{when}, on Linux {kernels}",
        _capabilities(sources),
        f"sbtrace {tracer.__version__}",
    )


def _capabilities(sources: Sequence[Source]) -> tuple[str, ...] | None:
    """What any of them had; None where that was all there is."""
    held = [source for source in sources if source.capabilities]
    if any(not source.dropped for source in held):
        return None
    names = {name.removeprefix("CAP_") for source in held for name in source.capabilities or ()}
    return tuple(sorted(names))


def name_of(observed: Observed) -> str:
    """What to call the profile: after the first command."""
    argv = next((source.argv for source in observed.sources if source.argv), ("",))
    name = re.sub(_NAME, "_", os.path.basename(argv[0])).lstrip("._-")  # noqa: PTH119 - may be no path at all
    return name[:64] or "learned"


def profile(
    observed: Observed,
    default_action: str,
    name: str | None,
    tightness: Tightness,
    phases: Phases | None = None,
) -> LearnedProfile:
    """The profile for what was observed; with ``phases`` for what it was in the second one.

    Raises NothingToLearn without a counted run, UsageError for a wrong action, ProfileError for a
    wrong name.
    """
    _require_counted(observed)
    _require_action(default_action)
    sources = sources_of(observed)._replace(after=phases.after if phases else ())
    found = learning.learn(observed.uses, sources.run_ids, tightness)
    chosen = name or name_of(observed)
    text = learned_file.text(found, sources, chosen, default_action, value_texts)
    parse(text, "the learned profile")
    return LearnedProfile(text, observed, found, phases=phases)


def _require_counted(observed: Observed) -> None:
    if not any(source.counted for source in observed.sources):
        raise NothingToLearn(
            "none of these runs can be learned from: give runs that eBPF counted (`sbtrace runs`)"
        )


def _require_action(text: str) -> None:
    try:
        parse_action(text, None, Where("--default", Lines("")))
    except ProfileError as error:
        raise UsageError(str(error)) from None


def update(
    observed: Observed, file: Profile, tightness: Tightness, phases: Phases | None = None
) -> LearnedProfile:
    """What the runs needed, added to a profile. Raises as ``profile`` does."""
    _require_counted(observed)
    sources = sources_of(observed)
    found = learning.learn(observed.uses, sources.run_ids, tightness)
    made = amend(file, found, len(sources.run_ids), value_texts)
    return LearnedProfile(made.text, observed, found, made, phases)


class LearnedProfile(NamedTuple):
    """A learned profile, and how much the runs cover."""

    file: str
    """The profile as it is written."""
    observed: Observed
    found: Learned
    amended: Amended | None = None
    """What was added to a profile that was there; None for one of its own."""
    phases: Phases | None = None
    """Where it is of what is needed after start-up alone: what that is."""

    def data(self) -> Mapping[str, object]:
        """The profile, and all that it rests on."""
        return _object(self.observed, self.found, self.file, self.phases)

    def text(self, page: Page = PLAIN) -> str:
        """How much the runs cover; ``page.whole``: what stood in the way of a tighter profile."""
        told = _coverage(self, page, datetime.now(UTC))
        return told + (_changes(self.amended, page.columns) if self.amended else "")


def _coverage(made: LearnedProfile, page: Page, now: datetime) -> str:
    observed, found, phases = made.observed, made.found, made.phases
    seen, sheet = coverage(observed), Sheet(page.columns, _LABEL_WIDTH)
    sheet.line(
        f"sbtrace: learned from {units.counted(seen.runs, 'run')}: "
        f"{units.counted(seen.calls, 'distinct call')}"
    )
    sheet.field("last new", _last_new(seen, now))
    if phases:
        _phases(sheet, phases)
    if seen.rare:
        sheet.field("once", f"needed in one run only: {_some(seen.rare, _MOST_NAMES)}")
    if found.unseen:
        names = [entry.name for entry in found.unseen]
        sheet.field("added", f"{_some(names, len(names))}: in no run; each says why")
    _doubts(sheet, observed)
    sheet.field("missing", _NEVER_RUN)
    if page.whole:
        sheet.line()
        for obstacle in found.obstacles:
            sheet.field("not tight", obstacle)
    return sheet.text()


def _phases(sheet: Sheet, phases: Phases) -> None:
    """What start-up alone needed, and of what that is not known."""
    before = _some(phases.only_before, len(phases.only_before)) or "nothing"
    sheet.field("start-up", f"needed before the first {' or '.join(phases.after)} alone: {before}")
    if phases.not_known:
        names = _some(phases.not_known, len(phases.not_known))
        sheet.field("not known", f"when these were called last, so they are kept: {names}")
    if phases.without:
        ids = _some(phases.without, _MOST_RUNS)
        runs = units.counted(len(phases.without), "run")
        sheet.field("left out", f"{runs} ({ids}): all start-up, as no process came so far")


def _changes(made: Amended, width: int) -> str:
    sheet = Sheet(width, _LABEL_WIDTH)
    names = [entry.name for entry in made.added]
    sheet.line()
    sheet.field("updated", ", ".join(dict.fromkeys(names)) if names else "nothing was missing")
    for entry, line in made.kept:
        sheet.field("not added", f"{entry.name}: line {line} refuses it, and is left as it is")
    return sheet.text()


def _some(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _last_new(seen: Coverage, now: datetime) -> str:
    if seen.last_new_at is None:
        return "none: no call is recorded"
    if seen.runs == 1:
        return "one run tells nothing of what another one needs: give some more"
    since = seen.runs - seen.last_new_run
    rest = f"{units.counted(since, 'run')} since brought none" if since else "so expect more"
    ago = _ago(now - seen.last_new_at)
    names = _some(seen.last_new, _MOST_NAMES)
    return f"in run {seen.last_new_run} of {seen.runs}, {ago} ago ({names}); {rest}"


def _ago(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    for size, noun in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return units.counted(seconds // size, noun)
    return units.counted(seconds, "second")


def _doubts(sheet: Sheet, observed: Observed) -> None:
    for label, why, runs in (
        ("not exact", "more may be needed than is known, as they lost calls", _inexact(observed)),
        (
            "refused",
            "calls were refused in them, and what would have come after is not known",
            [source for source in observed.sources if source.blocked],
        ),
        (
            "cut short",
            "a signal or the time limit ended them, and what would have come after is not known",
            [source for source in observed.sources if source.outcome in _CUT_SHORT],
        ),
        (
            "left out",
            "nothing is known of their calls, as they ran without eBPF",
            [source for source in observed.sources if not source.counted],
        ),
    ):
        if runs:
            ids = _some([source.run_id for source in runs], _MOST_RUNS)
            sheet.field(label, f"{units.counted(len(runs), 'run')} ({ids}): {why}")


def _inexact(observed: Observed) -> list[Source]:
    return [source for source in observed.sources if source.counted and not source.exact]


def _object(
    observed: Observed, found: Learned, text: str, phases: Phases | None
) -> dict[str, object]:
    seen = coverage(observed)
    return {
        "profile": text,
        "runs": [
            {
                "run_id": source.run_id,
                "started_at": source.started_at.isoformat(),
                "argv": list(source.argv),
                "exact": source.exact,
                "counted": source.counted,
                "blocked_syscalls": source.blocked,
                "outcome": source.outcome,
            }
            for source in observed.sources
        ],
        "entries": [entry._asdict() for entry in found.entries],
        "unseen": [entry._asdict() for entry in found.unseen],
        "coverage": {
            **seen._asdict(),
            "last_new_at": seen.last_new_at.isoformat() if seen.last_new_at else None,
        },
        "obstacles": list(found.obstacles),
        "phases": {
            "after": list(phases.after),
            "only_before": list(phases.only_before),
            "not_known": list(phases.not_known),
            "without": list(phases.without),
        }
        if phases
        else None,
    }
