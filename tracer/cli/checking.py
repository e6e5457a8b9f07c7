"""What the supervisor does for ``sbtrace check`` around a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import SbtraceError
from tracer.query import values as recorded
from tracer.report import argument_values, growth, growth_formats
from tracer.store import baseline
from tracer.store.destination import Destination
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from tracer.model import Process, RunRecord
    from tracer.profile.deciding import Way
    from tracer.report.form import Page
    from tracer.report.grown import Call, Makers
    from tracer.report.growth import Finding
    from tracer.store.baseline import Baseline, Surface

_ANOTHER = "name another --baseline FILE"


class Checking(NamedTuple):
    """A baseline that was read, and where it may be written, before anything is started."""

    baseline: Baseline
    style: str
    database: Path
    place: Destination | None
    """Where the baseline is written; None if it is not to be changed."""

    @classmethod
    def open(cls, path: str, style: str, database: Path, *, update: bool) -> Checking:
        """Raises SbtraceError for a baseline that is missing, wrong, or cannot be written."""
        found = baseline.read(Path(path), may_be_missing=update)
        place = Destination.open(Path(path), database, _ANOTHER) if update else None
        return cls(found, style, database, place)

    def find(self, record: RunRecord, own: int) -> Finding:
        """What a run that is in the database did beyond the baseline, and who did it.

        ``own``: the exit status that the run has without a check.
        """
        update, makers = self.place is not None, None
        try:
            with Reader(self.database) as reader:
                run_id = reader.resolve(record.run.run_id)
                values = recorded.values(reader, run_id)
                found = growth.surface(record, values)
                beyond = growth.beyond_baseline(found, self.baseline, update=update)
                makers = _makers(reader, run_id, beyond)
        except SbtraceError:  # it may be waiting still
            values = None
        return growth.find(record, self.baseline, values, makers, update=update, own=own)

    def text(self, found: Finding, page: Page) -> str:
        """The finding in the format that was asked for."""
        return growth_formats.text(found, self.style, page)

    def settle(self, found: Finding) -> tuple[str, ...]:
        """Keep what is to be kept; return what a person is to be told. Raises SbtraceError where
        the baseline itself cannot be written: what the run did stays not accepted."""
        if self.place is not None and found.is_accepted:
            accepted = self.baseline.accepted or baseline.Surface()
            whole = found.found | self.baseline.grown | accepted
            words = argument_values.way_text
            run = found.record.run
            baseline.accept(self.place, run.argv, run.profile, whole, words)
            baseline.forget(self.baseline.path)
        elif found.grown:
            words = argument_values.way_text
            try:
                baseline.remember(self.baseline.path, found.beyond, self.database, words)
            except SbtraceError as error:  # the check fails all the same, and by its own status
                return (str(error),)
        return ()


def _makers(reader: Reader, run_id: str, beyond: Surface) -> Makers:
    """Which programs made what is beyond the baseline."""
    entries = beyond.calls | beyond.refused | beyond.unknown
    names = sorted({name.partition(" ")[0] for _, name in entries})
    valued = sorted({name for _, name, _ in beyond.values})
    makers: dict[Call | Way, list[Process]] = {}
    if names:
        makers.update((call, made) for call, made in reader.callers(run_id, names).items())
    if valued:
        makers.update((way, made) for way, made in recorded.makers(reader, run_id, valued).items())
    return makers
