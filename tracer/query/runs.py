"""The list of recorded runs, filtered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tracer.errors import UsageError
from tracer.store.encode import encode_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tracer.store.writer import Waiting

COLUMNS = (
    "run_id",
    "started_at",
    "profile",
    "outcome",
    "status",
    "wall_ns",
    "total_syscalls",
    "blocked_syscalls",
    "argv",
)
"""Of each listed run. ``status`` is the exit code, or 128 + the signal that ended it."""
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are meant; None takes all."""

    profile: str | None = None
    """Name, whatever the case."""
    outcome: str | None = None
    command: str | None = None
    """Part of the command line or of the executable's path."""
    tags: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Runs, newest first, and those that are not in the database yet."""

    rows: tuple[tuple[Any, ...], ...]
    waiting: tuple[Waiting, ...]


def list_runs(database: Path, wanted: Filter) -> Listing:
    """Return the runs that pass the filter, newest first. Raises StoreError."""
    from tracer.store.reader import Reader

    conditions, params = _where(wanted)
    sql = f"""
        SELECT run_id, started_at, profile, outcome, coalesce(exit_code, 128 + term_signal),
            wall_ns, total_syscalls, blocked_syscalls, argv
        FROM runs WHERE {" AND ".join(conditions) or "true"}
        ORDER BY started_at DESC, run_id LIMIT $limit
    """  # noqa: S608 - the conditions are ours, what was given is bound
    with Reader(database) as reader:
        return Listing(tuple(reader.execute(sql, params)), reader.waiting)


def _where(wanted: Filter) -> tuple[list[str], dict[str, object]]:
    conditions: list[str] = []
    params: dict[str, object] = {"limit": wanted.limit}
    if wanted.profile is not None:
        conditions.append("lower(profile) = lower($profile)")
        params["profile"] = encode_text(wanted.profile)
    if wanted.outcome is not None:
        conditions.append("outcome = $outcome")
        params["outcome"] = wanted.outcome
    if wanted.command is not None:
        conditions.append(
            "(contains(array_to_string(argv, ' '), $command) OR contains(executable, $command))"
        )
        params["command"] = encode_text(wanted.command)
    if wanted.since is not None:
        conditions.append("started_at >= $since::TIMESTAMPTZ")
        params["since"] = wanted.since.isoformat()
    for index, (key, value) in enumerate(wanted.tags.items()):
        conditions.append(f"tags[$key{index}] = $value{index}")
        params |= {f"key{index}": encode_text(key), f"value{index}": encode_text(value)}
    return conditions, params


def parse_age(text: str) -> timedelta:
    """Return ``30d``, ``2h``, ``90s``… as a duration. Raises UsageError."""
    if match := _AGO.fullmatch(text):
        return timedelta(seconds=int(match.group(1)) * _SECONDS[match.group(2)])
    raise UsageError(f"{text!r} is no duration: give it as 90s, 15m, 2h, 30d or 4w")


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """Return the instant that ``2h`` (ago) or an ISO 8601 date or time means. Raises UsageError.

    A time without a zone is local.
    """
    present = now or datetime.now(UTC)
    try:
        if _AGO.fullmatch(text):
            return present - parse_age(text)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since {text!r}: give 2h, 30d, or a date such as 2026-01-31") from error


def parse_tags(pairs: list[str]) -> dict[str, str]:
    """Return ``K=V`` pairs as a mapping. Raises UsageError."""
    tags = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--tag {pair!r}: give it as KEY=VALUE")
        tags[key] = value
    return tags
