"""The list of runs, for a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, cast

from tracer.report import outcome as outcome_words
from tracer.report.table import Column, render
from tracer.report.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence
_COLUMNS = (
    Column("run", rigid=True),
    Column("started", rigid=True),
    Column("profile"),
    Column("result", rigid=True),
    Column("wall", right=True),
    Column("command", cut=True),
)


def render_runs(rows: Sequence[Sequence[object]], width: int | None) -> str:
    """Return rows of ``tracer.query.runs.COLUMNS`` as a table; times are local."""
    if not rows:
        return "No run is recorded that fits.\n"
    return render(_COLUMNS, [_shown(row) for row in rows], width)


def _shown(row: Sequence[object]) -> list[object]:
    run_id, started, profile, outcome, status, wall, _, _, argv = row
    result = outcome if status is None or outcome == "blocked" else f"{outcome} {status}"
    took, command = (
        duration(cast("int | None", wall)),
        outcome_words.command(cast("list[str]", argv)),
    )
    return [run_id, _when(started), profile, result, took, command]


def _when(started: object) -> str:
    """DuckDB gives text for what Python has no datetime for, such as `infinity`."""
    if not isinstance(started, datetime):
        return str(started)
    return started.astimezone().strftime("%m-%d %H:%M")
