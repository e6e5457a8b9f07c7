"""What the supervisor does for ``sbtrace check`` around a run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import SbtraceError
from tracer.report import growth, growth_formats
from tracer.store import baseline
from tracer.store.destination import Destination
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from tracer.model import Process, RunRecord
    from tracer.report.growth import Finding
    from tracer.store.baseline import Baseline

_ANOTHER = "name another --baseline FILE"


class Guarding(NamedTuple):
    """A baseline that was read, and where it may be written, before anything is started."""

    baseline: Baseline
    style: str
    database: Path
    place: Destination | None
    """Where the baseline is written; None if it is not to be changed."""

    @classmethod
    def open(cls, path: str, style: str, database: Path, *, update: bool) -> Guarding:
        """Raises SbtraceError for a baseline that is missing, wrong, or cannot be written."""
        found = baseline.read(Path(path), may_be_missing=update)
        place = Destination.open(Path(path), database, _ANOTHER) if update else None
        return cls(found, style, database, place)

    def find(self, record: RunRecord) -> Finding:
        """What a run that is in the database did beyond the baseline, and who did it."""
        beyond = growth.beyond_baseline(record, self.baseline)
        names = {name.partition(" ")[0] for entries in beyond for _, name in entries}
        callers = self._callers(record.run.run_id, sorted(names)) if names else {}
        return growth.find(record, self.baseline, callers, update=self.place is not None)

    def _callers(self, run_id: str, names: list[str]) -> dict[tuple[str, str], list[Process]]:
        with suppress(SbtraceError), Reader(self.database) as reader:  # it may be waiting still
            return reader.callers(run_id, names)
        return {}

    def text(self, record: RunRecord, found: Finding, own: int, *, width: int, colour: bool) -> str:
        """The finding in the format that was asked for."""
        return growth_formats.text(record, found, self.style, own, width=width, colour=colour)

    def settle(self, record: RunRecord, found: Finding) -> tuple[str, ...]:
        """Keep what is to be kept; return what a person is to be told. Raises SbtraceError where
        the baseline itself cannot be written: what the run did stays not accepted."""
        if self.place is not None and found.is_accepted(record):
            accepted = self.baseline.accepted or baseline.Surface()
            whole = found.found | self.baseline.grown | accepted
            baseline.accept(self.place, record.run.argv, record.run.profile, whole)
            baseline.forget(self.baseline.path)
        elif found.grown:
            beyond = growth.beyond_baseline(record, self.baseline)
            try:
                baseline.remember(self.baseline.path, beyond, self.database)
            except SbtraceError as error:  # the check fails all the same, and by its own status
                return (str(error),)
        return ()
