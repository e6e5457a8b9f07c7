"""The list of recorded runs, filtered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tracer.errors import UsageError
from tracer.store.spool.encode import encode_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tracer.store.intake import Waiting

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
"""What is told of a run. ``status`` is the exit code, or 128 + the signal that ended it."""
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
    """Return the runs that pass the filter, newest first; those that go on too, as ``running``.

    The ``wall_ns`` of a running one is the time since its start. Raises StoreError.
    """
    from tracer.store import intake
    from tracer.store.reader import Reader

    now = _running(database, wanted)
    if now and not database.exists():
        waiting = intake.take_in(database).waiting
        if not database.exists():  # the first run of all goes on
            return Listing(tuple(now[: wanted.limit]), waiting)

    conditions, params = _where(wanted)
    sql = f"""
        SELECT run_id, started_at, profile, outcome, coalesce(exit_code, 128 + term_signal),
            wall_ns, total_syscalls, blocked_syscalls, argv
        FROM runs WHERE {" AND ".join(conditions) or "true"}
        ORDER BY started_at DESC, run_id LIMIT $limit
    """  # noqa: S608 - the conditions are ours, what was given is bound
    with Reader(database) as reader:
        ended = reader.execute(sql, params)
        known = {row[0] for row in ended}
        found = [row for row in now if row[0] not in known] + ended
        found.sort(key=lambda row: row[1], reverse=True)
        return Listing(tuple(found[: wanted.limit]), reader.waiting)


def _running(database: Path, wanted: Filter) -> list[tuple[Any, ...]]:
    from tracer.store.spool import running

    present = datetime.now(UTC)
    rows = []
    for run in running.heads(database):
        started = datetime.fromisoformat(run["started_at"])
        elapsed_ns = max((present - started) // timedelta(microseconds=1), 0) * 1000
        row = (run["run_id"], started, run["profile"], "running", None, elapsed_ns)
        if _fits(run, started, wanted):
            rows.append((*row, run["total_syscalls"], run["blocked_syscalls"], run["argv"]))
    return rows


def _fits(run: Mapping[str, Any], started: datetime, wanted: Filter) -> bool:
    """What ``_where`` asks of a recorded run, of one that goes on."""
    command = encode_text(wanted.command or "")
    return (
        (wanted.profile is None or run["profile"].lower() == encode_text(wanted.profile).lower())
        and wanted.outcome in {None, "running"}
        and (command in " ".join(run["argv"]) or command in run["executable"])
        and (wanted.since is None or started >= wanted.since)
        and all(
            run["tags"].get(encode_text(key)) == encode_text(value)
            for key, value in wanted.tags.items()
        )
    )


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
