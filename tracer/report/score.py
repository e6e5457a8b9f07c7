"""What profiles leave open, class by class, for a person and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.report.form import PLAIN
from tracer.report.layout import Sheet
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracer.host.systemd import Weight
    from tracer.profile.score import Part, Score
    from tracer.report.form import Page


class Scored(NamedTuple):
    """What one profile leaves open."""

    label: str
    score: Score
    weights: Sequence[Weight] | None
    """What systemd says of it; None where systemd-analyze is not there or too old."""


class ScoreReport(NamedTuple):
    """What profiles leave open, beside each other."""

    profiles: Sequence[Scored]

    def data(self) -> Mapping[str, object]:
        """``systemd`` is null where systemd-analyze is not there or too old."""
        return {"profiles": [_object(*each) for each in self.profiles]}

    def text(self, page: Page = PLAIN) -> str:
        """For each class, the calls that are open; ``page.whole``: what it is, and who says so."""
        widest = max(len(risk.name) for risk, _ in self.profiles[0].score.classes)
        sheet = Sheet(page.columns, widest)
        if len(self.profiles) > 1:
            _beside(sheet, self.profiles, widest)
        for label, score, weights in self.profiles:
            sheet.line(printable(label))
            _one(sheet, score, weights, page.whole)
            sheet.line()
        return sheet.text().rstrip("\n") + "\n"


def _object(label: str, score: Score, weights: Sequence[Weight] | None) -> Mapping[str, object]:
    return {
        "profile": label,
        "abi": score.abi,
        "calls": score.calls._asdict(),
        "unnamed": score.unnamed,
        "foreign": [each._asdict() for each in score.foreign],
        "classes": [
            {"class": risk.name, "why": risk.why, "sources": list(risk.sources), **part._asdict()}
            for risk, part in score.classes
        ],
        "cves": score.cves._asdict(),
        "systemd": None if weights is None else [each._asdict() for each in weights],
    }


def _beside(sheet: Sheet, found: Sequence[Scored], widest: int) -> None:
    """Counts of open calls, a column a profile; what they count follows."""
    labels = [printable(label) for label, _, _ in found]
    wide = [max(len(label), 7) for label in labels]

    def row(name: str, parts: Sequence[Part]) -> str:
        cells = [f"{_count(part):>{size}}" for part, size in zip(parts, wide, strict=True)]
        return f"  {name:<{widest}}  {'  '.join(cells)}"

    heads = [f"{label:>{size}}" for label, size in zip(labels, wide, strict=True)]
    sheet.line(f"  {'open, of all':<{widest}}  {'  '.join(heads)}")
    sheet.line(row("all calls", [score.calls for _, score, _ in found]))
    for at, (risk, _) in enumerate(found[0][1].classes):
        sheet.line(row(risk.name, [score.classes[at][1] for _, score, _ in found]))
    sheet.line(row("CVEs", [score.cves for _, score, _ in found]))
    sheet.line()


def _count(part: Part) -> str:
    total = len(part.open) + len(part.partly) + len(part.closed)
    return f"{len(part.open) + len(part.partly)}/{total}"


def _one(sheet: Sheet, score: Score, weights: Sequence[Weight] | None, whole: bool) -> None:
    calls = score.calls
    total = len(calls.open) + len(calls.partly) + len(calls.closed)
    sheet.field(
        "all calls",
        f"{len(calls.open)} of {total} open on {score.abi}, {len(calls.partly)} by arguments; "
        f"those without a name: {score.unnamed}",
    )
    for each in score.foreign:
        sheet.field(each.abi, f"{each.open} of {each.total} open" if each.open else "closed")
    closed = [risk.name for risk, part in score.classes if not (part.open or part.partly)]
    for risk, part in score.classes:
        if whole or risk.name not in closed:
            sheet.field(risk.name, _words(part))
        if whole:
            sheet.field("", f"{risk.why} ({'; '.join(risk.sources)})")
    if closed and not whole:
        sheet.field("closed", ", ".join(closed))
    sheet.field("CVEs", _cves(score.cves, whole))
    sheet.field("systemd", _systemd(weights))


def _words(part: Part) -> str:
    return "; ".join(_parts(part)) or "closed"


def _parts(part: Part) -> Iterator[str]:
    if part.open:
        yield (
            f"open: {' '.join(part.open)}"
            if part.closed or part.partly
            else (f"open, all: {', '.join(part.open)}")
        )
    if part.partly:
        yield f"by arguments: {', '.join(part.partly)}"


def _cves(part: Part, whole: bool) -> str:
    open_ = (*part.open, *part.partly)
    total = len(open_) + len(part.closed)
    names = f": open {' '.join(open_)}" if open_ and whole else ""
    return f"{len(part.closed)} of the {total} that Confine's authors list are closed{names}"


def _systemd(weights: Sequence[Weight] | None) -> str:
    if weights is None:
        return "not asked: there is no systemd-analyze that can weigh a file (250 or later)"
    bad = [f"{each.group} {each.exposure:g} ({each.because})" for each in weights if each.exposure]
    total = sum(each.exposure for each in weights)
    return f"exposure {total:g} = {' + '.join(bad)}" if bad else "exposure 0: no group is open"
