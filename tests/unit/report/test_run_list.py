"""The list of runs, for a person."""

from __future__ import annotations

from datetime import UTC, datetime

from tracer.report.form import Page
from tracer.report.run_list import RunList

STARTED = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_command_is_listed_as_it_would_be_typed() -> None:
    """Two words are not one, and the summary says the same."""
    row = ("a" * 12, STARTED, "LEARNING", "exited", 0, 1, 1, 0, ["nginx", "-g", "daemon off;"])
    assert RunList([row]).text(Page(None)).endswith("  nginx -g 'daemon off;'\n")
