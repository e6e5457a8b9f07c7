"""What ``sbtrace show`` was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import UsageError
from tracer.report.histogram import Histogram
from tracer.report.show import Figures
from tracer.report.summary import Summary
from tracer.report.totals import By, Sort
from tracer.report.tree import Tree

if TYPE_CHECKING:
    from tracer.model import RunRecord
    from tracer.report.form import Report


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

    def check(self) -> None:
        """Raise UsageError for choices that do not go together."""
        views = {"--by": self.by, "--histogram": self.histogram, "--tree": self.tree or None}
        chosen = [name for name, value in views.items() if value is not None]
        if len(chosen) > 1:
            raise UsageError(f"show: {' and '.join(chosen)} are different views: give one of them")
        if not self.by and chosen and (self.sort or self.limit is not None):
            raise UsageError(f"show: --sort and --limit go with --by, not with {chosen[0]}")

    def of(self, record: RunRecord) -> Report:
        """What is to be shown of a run."""
        if self.tree:
            return Tree(record)
        if self.histogram is not None:
            return Histogram.of(record, self.histogram)
        by, sort = self._table()
        return Summary.of(record) if by is None else Figures(record, by, sort, self.limit)

    def _table(self) -> tuple[By | None, Sort]:
        """``--sort`` or ``--limit`` alone ask for the table of syscalls."""
        asked = self.sort is not None or self.limit is not None
        return self.by or (By.SYSCALL if asked else None), self.sort or Sort.CALLS
