"""What ``sbtrace db`` says about the database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from tracer.report.form import PLAIN
from tracer.report.table import Column, cell, render
from tracer.report.units import count, size
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.report.form import Page
    from tracer.store.maintain import Info, Pruned


class InfoReport(NamedTuple):
    """Where a database is, how large it is, and what it holds."""

    found: Info

    def data(self) -> Mapping[str, object]:
        """``first`` and ``last`` are null where no run is recorded."""
        found = self.found
        return {
            "path": os.fspath(found.path),
            "size_bytes": found.size_bytes,
            "schema_version": found.schema_version,
            "first": found.first.isoformat() if found.first else None,
            "last": found.last.isoformat() if found.last else None,
            "rows": found.rows,
            "waiting": [
                {"run_id": item.run_id, "folder": os.fspath(item.folder), "reason": item.reason}
                for item in found.waiting
            ],
            "set_aside": [os.fspath(path) for path in found.set_aside],
        }

    def text(self, _page: Page = PLAIN) -> str:
        """One fact a line."""
        found = self.found
        facts = [
            ("database", os.fspath(found.path)),
            ("size", size(found.size_bytes)),
            ("schema version", str(found.schema_version)),
            ("first run", cell(found.first) if found.first else "-"),
            ("last run", cell(found.last) if found.last else "-"),
            *((table, count(rows)) for table, rows in found.rows.items()),
            ("waiting runs", count(len(found.waiting))),
            *(("", f"{item.folder}: {item.reason}") for item in found.waiting),
            *(("set aside", count(len(found.set_aside))) for _ in found.set_aside[:1]),
            *(("", os.fspath(path)) for path in found.set_aside),
        ]
        return "".join(f"{name:<16}{printable(value)}\n" for name, value in facts)


def vacuumed(before: int, after: int) -> str:
    """Return what a vacuum did, as text."""
    return f"{size(before)} before, {size(after)} now\n"


def pruned(gone: Pruned, width: int, *, dry_run: bool) -> str:
    """Return which runs were taken out, or would be, as text."""
    columns = (Column("run", rigid=True), Column("started", rigid=True), Column("command"))
    rows = [(run_id, started, " ".join(argv)) for run_id, started, argv in gone.runs]
    verb = "would be taken out" if dry_run else "taken out"
    table = render(columns, rows, width) if rows else ""
    return f"{table}{count(len(rows))} {verb}, {count(gone.kept)} kept\n"
