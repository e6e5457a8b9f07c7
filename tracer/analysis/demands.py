"""What a build demands of a comparison: ``--fail-on new-syscall,calls+10%``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tracer.analysis.compare import Verdict
from tracer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracer.analysis.compare import Compared, Comparison
    from tracer.query.sides import Side

NEW = ("new-syscall", "new-error", "new-blocked")
FIGURES = {
    "calls": "total_syscalls",
    "errors": "error_syscalls",
    "blocked": "blocked_syscalls",
    "reads": "read_syscalls",
    "writes": "write_syscalls",
    "wall": "wall_ns",
    "user": "user_ns",
    "system": "system_ns",
    "memory": "max_rss_bytes",
    "minor-faults": "minor_faults",
    "major-faults": "major_faults",
}
"""Word of a demand -> the column of ``runs`` that it bounds."""
OF_A_CALL = ("calls", "errors", "blocked", "latency")
_OF_BPF = ("calls", "errors", "blocked")
_GROWS = re.compile(r"(?:([a-z_][a-z0-9_]*)\.)?([a-z-]+)\+([0-9]{1,6}(?:\.[0-9]{1,3})?)%")


class Demand(NamedTuple):
    """One demand, as it was given and as it is understood."""

    text: str
    kind: str
    """One of ``NEW``, of ``FIGURES``, or of ``OF_A_CALL``."""
    syscall: str | None = None
    most_percent: float | None = None


class Judged(NamedTuple):
    """A demand and what became of it."""

    demand: Demand
    passed: bool | None
    """None: it cannot be told."""
    why: str


def parse(given: Iterable[str]) -> tuple[Demand, ...]:
    """Read lists of demands, separated by commas. Raises UsageError."""
    return tuple(_demand(text.strip()) for each in given for text in each.split(","))


def _demand(text: str) -> Demand:
    if text in NEW:
        return Demand(text, text)
    if match := _GROWS.fullmatch(text):
        syscall, kind, percent = match.groups()
        if kind in (FIGURES if syscall is None else OF_A_CALL):
            return Demand(text, kind, syscall, float(percent))
    raise UsageError(
        f"--fail-on {text!r}: give {', '.join(NEW)}, WHAT+N% (WHAT: {', '.join(FIGURES)}) or"
        f" SYSCALL.WHAT+N% (WHAT: {', '.join(OF_A_CALL)})"
    )


def judge(found: Comparison, demands: Sequence[Demand]) -> tuple[Judged, ...]:
    """Hold a comparison against each demand. A difference that is noise breaks none."""
    return tuple(_judged(found, demand) for demand in demands)


def _judged(found: Comparison, demand: Demand) -> Judged:
    if (demand.kind in (*NEW, *_OF_BPF) or demand.syscall) and (why := _uncounted(found)):
        return Judged(demand, None, why)
    if demand.kind in NEW:
        return _new(found, demand)
    grown = list(_bounded(found, demand))
    if not grown:
        return Judged(demand, True, "neither side makes that call")
    return _worst([_grown(demand, each) for each in grown])


def _uncounted(found: Comparison) -> str | None:
    """Why the counts of eBPF prove nothing; None: they do."""
    for name, side in (("A", found.a), ("B", found.b)):
        for run in side.runs:
            if not run.counted:
                return f"run {run.run_id} of {name} was not counted by eBPF"
            if not run.exact:
                return f"run {run.run_id} of {name} is not exact: calls may be missing"
    return None


def _new(found: Comparison, demand: Demand) -> Judged:
    if demand.kind == "new-syscall":
        new = [each.key.name for each in found.calls if not each.in_a]
    elif demand.kind == "new-error":
        new = [f"{each.key.name} {each.errno_name}" for each in found.errors if not each.in_a]
    else:
        new = [each.key.name for each in found.calls if _refuses(found.b, each.key)
               and not _refuses(found.a, each.key)]  # fmt: skip
    return Judged(demand, not new, f"new: {', '.join(dict.fromkeys(new))}" if new else "none")


def _refuses(side: Side, key: object) -> bool:
    return any(sums.blocked for sums in side.calls.get(key, {}).values())  # type: ignore[call-overload] # a CallKey


def _bounded(found: Comparison, demand: Demand) -> Iterable[Compared]:
    if demand.syscall is None:
        yield found.figures[FIGURES[demand.kind]]
        return
    for each in found.calls:
        if each.key.name == demand.syscall:
            yield each.latency_ns if demand.kind == "latency" else getattr(each, demand.kind)


def _grown(demand: Demand, each: Compared) -> Judged:
    if each.verdict is Verdict.UNKNOWN or each.shift is None or each.a is None:
        return Judged(demand, None, _too_few(each))
    if each.verdict is not Verdict.DIFFERS or each.shift.estimate <= 0:
        return Judged(demand, True, _change(each))
    assert demand.most_percent is not None  # noqa: S101 - of every demand but the new ones
    ratio = each.ratio
    passed = ratio is not None and ratio * 100 <= demand.most_percent
    return Judged(demand, passed, _change(each))


def _too_few(each: Compared) -> str:
    if each.a is None or each.b is None:
        return f"not known of side {'A' if each.a is None else 'B'}"
    return (
        f"too few runs: {each.a.runs} and {each.b.runs}. Two a side do for a count that is the"
        " same in each of them, five for what varies"
    )


def _change(each: Compared) -> str:
    if each.verdict is not Verdict.DIFFERS:
        return each.verdict.value
    return "it was 0" if each.ratio is None else f"{each.ratio * 100:+.1f} %"


def _worst(judged: Sequence[Judged]) -> Judged:
    """The first that failed, or else the first that cannot be told, or else the first."""
    order = {False: 0, None: 1, True: 2}
    return min(judged, key=lambda each: order[each.passed])
