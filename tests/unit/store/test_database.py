"""A database that a running DuckDB is asked to open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from tracer.errors import StoreError
from tracer.store import database as module

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_cannot_be_attached_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database at all" * 1009)
    with (
        duckdb.connect() as started,
        pytest.raises(StoreError, match=r"broken\.duckdb"),
        module._attached(started, broken),
    ):
        pytest.fail("nothing was attached")
