"""``sbtrace runs``: the list of runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from tracer.query.runs import COLUMNS
from tracer.report import outcome as outcome_words
from tracer.report.form import PLAIN
from tracer.report.rows import objects
from tracer.report.table import Column, render
from tracer.report.units import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.report.form import Page

_COLUMNS = (
    Column("run", rigid=True),
    Column("started", rigid=True),
    Column("profile"),
    Column("result", rigid=True),
    Column("wall", right=True),
    Column("command", cut=True),
)


class RunList(NamedTuple):
    """Runs, in the order in which they are shown."""

    rows: Sequence[Sequence[object]]
    """Rows with the columns ``tracer.query.runs.COLUMNS``."""

    def data(self) -> Mapping[str, object]:
        """All that is known of each."""
        return {"runs": objects(COLUMNS, self.rows)}

    def text(self, page: Page = PLAIN) -> str:
        """A table of the columns that most ask for; times are local."""
        if not self.rows:
            return "No run is recorded that fits.\n"
        return render(_COLUMNS, [_shown(row) for row in self.rows], page.width)


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
