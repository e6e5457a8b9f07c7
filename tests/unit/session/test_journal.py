"""A run on its way to the disk and into the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.store.records import a_record
from tracer.session.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_that_is_given_up_is_in_the_database_before_anybody_goes_on(tmp_path: Path) -> None:
    """As far as it was on the disk, by whoever gives it up, where there is no loader."""
    database = tmp_path / "runs.duckdb"
    journal = Journal(database, a_record().run._replace(outcome="running"), [])
    assert not database.exists()
    journal.give_up()
    assert database.exists()
    assert journal.troubles == []
