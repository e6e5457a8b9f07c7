"""The runs that a side of a comparison means, and what was recorded of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.errors import RunNotFound, UsageError
from tracer.model import HISTOGRAM_BUCKETS
from tracer.query import runs as listing
from tracer.store.spool.encode import decode_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from tracer.store.intake import Waiting
    from tracer.store.reader import Reader

SELECTORS = ("command", "tag", "profile", "since", "last")
_SELECTOR = re.compile(rf"({'|'.join(SELECTORS)}):(.*)", re.DOTALL)
_LAST = re.compile(r"([1-9][0-9]{0,8})(?:~([0-9]{1,9}))?")
FIGURES = (
    "total_syscalls",
    "error_syscalls",
    "blocked_syscalls",
    "read_syscalls",
    "write_syscalls",
    "wall_ns",
    "user_ns",
    "system_ns",
    "max_rss_bytes",
    "minor_faults",
    "major_faults",
)
"""Columns of ``runs`` that a comparison shows; None: not known."""
_ABOUT = (
    "argv",
    "executable",
    "host",
    "kernel",
    "version",
    "profile",
    "profile_digest",
    "target_uid",
    "outcome",
    "tags",
)
"""Columns of ``runs`` that may explain a difference."""


class CallKey(NamedTuple):
    """A syscall; its name alone means nothing without the ABI."""

    abi: str
    nr: int
    name: str


class Measured(NamedTuple):
    """One recorded run."""

    run_id: str
    started_at: datetime
    figures: Mapping[str, int | None]
    """By ``FIGURES``."""
    about: Mapping[str, Any]
    counted: bool
    """Whether eBPF counted it; if not, nothing is known of its calls."""
    exact: bool


class CallSums(NamedTuple):
    """What one run did with one syscall; the fields mean what they mean in ``syscalls``."""

    calls: int
    errors: int
    blocked: int
    total_ns: int | None
    returned: int

    @property
    def mean_ns(self) -> float | None:
        """Mean latency; None if no call returned."""
        return (
            self.total_ns / self.returned if self.total_ns is not None and self.returned else None
        )


class Side(NamedTuple):
    """One side of a comparison."""

    text: str
    """As it was given."""
    runs: tuple[Measured, ...]
    """The oldest first; never empty."""
    calls: Mapping[CallKey, Mapping[str, CallSums]]
    """By run_id; a run that did not make the call is missing."""
    failed: Mapping[tuple[CallKey, str], Mapping[str, int]]
    """By syscall and name of the errno, then by run_id: times that the kernel returned it."""
    histograms: Mapping[CallKey, tuple[int, ...]]
    """All runs together."""

    @property
    def counted(self) -> tuple[Measured, ...]:
        """The runs whose calls are known."""
        return tuple(run for run in self.runs if run.counted)


class Sides(NamedTuple):
    """Two sides, and the runs that are not in the database yet."""

    a: Side
    b: Side
    waiting: tuple[Waiting, ...]


def load(database: Path, a: str, b: str) -> Sides:
    """What is recorded of the runs that two texts mean; ``parse`` says how those are written.

    Runs that go on are left out. Raises UsageError for a text that means nothing and where a run
    would stand on both sides, RunNotFound, StoreError.
    """
    from tracer.store.reader import Reader

    wanted = parse(a), parse(b)
    found = [_listed(database, each) for each in wanted]
    with Reader(database) as reader:
        ids = [
            sorted({reader.resolve(ref) for ref in each.refs} | set(listed))
            for each, listed in zip(wanted, found, strict=True)
        ]
        if both := sorted(set(ids[0]) & set(ids[1])):
            raise UsageError(
                f"compare: run {both[0]} is on both sides: a side such as last:5~5 leaves out the"
                " newest 5"
            )
        first, second = (_side(reader, text, each) for text, each in zip((a, b), ids, strict=True))
        return Sides(first, second, reader.waiting)


class Selection(NamedTuple):
    """Which runs a side means: those that are named, or those that pass the filter."""

    text: str
    refs: tuple[str, ...]
    wanted: listing.Filter | None
    """None: only those that are named."""
    skipped: int
    """So many of the newest that pass are left out."""


def parse(text: str) -> Selection:
    """Read a side: run ids, ``last`` and ``last~N``, or selectors that must all hold.

    Both are separated by commas. Raises UsageError.
    """
    parts = text.split(",")
    if "" in parts:
        raise UsageError(f"compare: {text!r} names no run: `sbtrace compare --help` shows sides")
    selectors = [match for part in parts if (match := _SELECTOR.fullmatch(part))]
    if not selectors:
        return Selection(text, tuple(parts), None, 0)
    if len(selectors) < len(parts):
        raise UsageError(
            f"compare: {text!r}: a side names runs or selects them, not both; selectors are"
            f" {', '.join(f'{name}:' for name in SELECTORS)}"
        )
    return _selected(text, [(match[1], match[2]) for match in selectors])


def _selected(text: str, given: Sequence[tuple[str, str]]) -> Selection:
    values = {name: value for name, value in given if name != "tag"}
    if len(values) + sum(name == "tag" for name, _ in given) < len(given):
        raise UsageError(f"compare: {text!r}: a selector other than tag: stands there twice")
    if empty := [name for name, value in given if not value]:
        raise UsageError(f"compare: {text!r}: nothing follows {empty[0]}:")
    limit, skipped = _last(text, values.get("last"))
    tags = [value for name, value in given if name == "tag"]
    wanted = listing.Filter(
        profile=values.get("profile"),
        command=values.get("command"),
        tags=_tags(text, tags),
        since=_since(text, values.get("since")),
        limit=None if limit is None else limit + skipped,
    )
    return Selection(text, (), wanted, skipped)


def _tags(text: str, pairs: list[str]) -> dict[str, str]:
    try:
        return listing.parse_tags(pairs)
    except UsageError as error:
        raise UsageError(f"compare: {text!r}: give tag:KEY=VALUE") from error


def _since(text: str, value: str | None) -> datetime | None:
    try:
        return None if value is None else listing.parse_since(value)
    except UsageError as error:
        raise UsageError(
            f"compare: {text!r}: give since:2h, since:30d, or a date such as since:2026-01-31"
        ) from error


def _last(text: str, value: str | None) -> tuple[int | None, int]:
    if value is None:
        return None, 0
    if not (match := _LAST.fullmatch(value)):
        raise UsageError(f"compare: {text!r}: give last:10, or last:10~5 without the newest 5")
    return int(match[1]), int(match[2] or 0)


def _listed(database: Path, side: Selection) -> list[str]:
    """The run_ids that the filter takes, without runs that go on."""
    if side.wanted is None:
        return []
    limit = side.wanted.limit
    rows = listing.list_runs(database, replace(side.wanted, limit=None)).rows
    ended = [str(row[0]) for row in rows if row[3] != "running"][side.skipped : limit]
    if not ended:
        raise RunNotFound(
            f"compare: {side.text!r} means no recorded run: `sbtrace runs` lists those there are"
        )
    return ended


def measured(reader: Reader, ids: Sequence[str]) -> list[Measured]:
    """What is recorded of these runs, the oldest first. Raises StoreError."""
    return [_measured(row) for row in reader.execute(_RUNS, [ids])]


def _side(reader: Reader, text: str, ids: Sequence[str]) -> Side:
    runs = measured(reader, ids)
    counted = [run.run_id for run in runs if run.counted]
    calls: dict[CallKey, dict[str, CallSums]] = {}
    for abi, nr, name, run_id, *sums in reader.execute(_CALLS, [counted]):
        calls.setdefault(CallKey(abi, nr, name), {})[run_id] = CallSums(*sums)
    failed: dict[tuple[CallKey, str], dict[str, int]] = {}
    for abi, nr, name, errno, run_id, times in reader.execute(_FAILED, [counted]):
        failed.setdefault((CallKey(abi, nr, name), errno), {})[run_id] = times
    histograms = {
        CallKey(abi, nr, name): tuple(buckets)
        for abi, nr, name, buckets in reader.execute(_HISTOGRAMS, [counted])
    }
    return Side(text, tuple(runs), calls, failed, histograms)


def _measured(row: Sequence[Any]) -> Measured:
    run_id, started_at, counted, exact, *rest = row
    figures = dict(zip(FIGURES, rest[: len(FIGURES)], strict=True))
    about = dict(zip(_ABOUT, rest[len(FIGURES) :], strict=True))
    about["argv"] = tuple(decode_text(word) for word in about["argv"])
    for name in ("executable", "profile"):
        about[name] = decode_text(about[name])
    about["tags"] = {decode_text(k): decode_text(v) for k, v in (about["tags"] or {}).items()}
    return Measured(run_id, started_at, figures, about, counted, exact)


_RUNS = f"""
    SELECT run_id, started_at, trace = 'full', coalesce(exact, false),
        {", ".join((*FIGURES, *_ABOUT))}
    FROM runs WHERE run_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY started_at, run_id
"""  # noqa: S608 - names of ours
_CALLS = """
    SELECT abi, nr, name, run_id, sum(calls)::BIGINT, sum(errors)::BIGINT, sum(blocked)::BIGINT,
        sum(total_ns)::BIGINT, sum(calls - unfinished)::BIGINT
    FROM syscalls WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    GROUP BY ALL ORDER BY name, abi, nr, run_id
"""
_FAILED = """
    SELECT abi, nr, name, errno_name, run_id, sum(failed)::BIGINT AS times
    FROM syscall_errors WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    GROUP BY ALL HAVING times > 0 ORDER BY name, abi, nr, errno_name, run_id
"""
_HISTOGRAMS = f"""
    SELECT abi, nr, name,
        [{", ".join(f"sum(histogram[{at + 1}])::BIGINT" for at in range(HISTOGRAM_BUCKETS))}]
    FROM syscalls WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    GROUP BY abi, nr, name ORDER BY name, abi, nr
"""  # noqa: S608 - numbers of ours
