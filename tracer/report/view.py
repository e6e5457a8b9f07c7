"""What ``sbtrace show`` was asked for, as text or as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import UsageError
from tracer.report import as_json, histogram, remedies, show, summary, tree
from tracer.report.totals import By, Sort

if TYPE_CHECKING:
    from tracer.model import RunRecord


class View(NamedTuple):
    """One way to look at a run; with nothing chosen, its summary."""

    by: By | None = None
    sort: Sort | None = None
    """None: by calls."""
    limit: int | None = None
    """At most so many rows of ``by``; None: all."""
    histogram: str | None = None
    """Name of a syscall."""
    tree: bool = False
    wide: bool = False
    """Commands in the table or the tree are whole, however long."""

    def check(self) -> None:
        """Raise UsageError for choices that do not go together."""
        views = {"--by": self.by, "--histogram": self.histogram, "--tree": self.tree or None}
        chosen = [name for name, value in views.items() if value is not None]
        if len(chosen) > 1:
            raise UsageError(f"show: {' and '.join(chosen)} are different views: give one of them")
        if not self.by and chosen and (self.sort or self.limit is not None):
            raise UsageError(f"show: --sort and --limit go with --by, not with {chosen[0]}")

    def text(self, record: RunRecord, width: int, *, colour: bool) -> str:
        """The view for a person."""
        if self.tree:
            return tree.render(record, None if self.wide else width)
        if self.histogram is not None:
            return histogram.render(record, self.histogram, width)
        by, sort = self._table()
        if by is None:
            remedy = remedies.of_run(record.run)
            return summary.render(record, width, colour=colour, remedy=remedy)
        return show.render(
            record, by, sort=sort, limit=self.limit, width=None if self.wide else width
        )

    def json(self, record: RunRecord) -> str:
        """The same for a program; null where eBPF did not run."""
        if self.tree:
            return as_json.dumps({"tree": tree.objects(record) if record.processes else None})
        if self.histogram is not None:
            return as_json.dumps({"histogram": histogram.objects(record, self.histogram)})
        by, sort = self._table()
        if by is None:
            return as_json.run_text(record)
        rows = show.objects(record, by, sort=sort, limit=self.limit)
        return as_json.dumps({"rows": rows})

    def _table(self) -> tuple[By | None, Sort]:
        """``--sort`` or ``--limit`` alone ask for the table of syscalls."""
        asked = self.sort is not None or self.limit is not None
        return self.by or (By.SYSCALL if asked else None), self.sort or Sort.CALLS
