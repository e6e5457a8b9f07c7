"""The run's record as it grows: on the disk as it goes, in the database at the end."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tracer.errors import SbtraceError, StoreError
from tracer.store.intake import take_in
from tracer.store.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer.collectors.interface import Collector, Findings
    from tracer.model import Run, RunRecord, Sample
    from tracer.store.loader import Loader


class Journal:
    """Keeps a run. What cannot be kept is a line in ``troubles``; the target goes on."""

    def __init__(
        self,
        database: Path,
        begun: Run,
        collectors: Sequence[Collector],
        loader: Loader | None = None,
    ) -> None:
        """``loader``: who takes the run into the database; None: the calling process."""
        self._database = database
        self._run_id = begun.run_id
        self._collectors = collectors
        self._loader = loader
        self._spool: Spool | None = None
        self.troubles: list[str] = []
        """What kept the record from going where it should, and where it is instead."""
        self._keep(lambda: self._open(begun))

    def add(self, samples: Sequence[Sample]) -> None:
        """Keep samples."""
        spool = self._spool
        if samples and spool is not None:
            self._keep(lambda: spool.add_samples(samples))

    def hand_on(self) -> None:
        """Put on the disk what the collectors told and will not change, and keep it no longer."""
        spool = self._spool
        if spool is not None:
            self._keep(lambda: _hand_on(spool, self._collectors))

    def snapshot(self, record: RunRecord, findings: Sequence[Findings]) -> None:
        """Put everything so far on the disk."""
        spool = self._spool
        if spool is not None:
            self.hand_on()
            self._keep(lambda: spool.snapshot(_unsettled(record, findings)))

    def finish(self, final: RunRecord, findings: Sequence[Findings]) -> None:
        """Put the whole run on the disk, and have it taken into the database from there."""
        spool = self._spool
        if spool is None:
            return
        self.hand_on()
        self._keep(lambda: spool.finish(_unsettled(final, findings)))
        if spool.trouble:
            self.troubles.append(spool.trouble)
        if self._loader is not None:
            self._loader.begin(self._database)

    def give_up(self) -> None:
        """Have the run taken in as far as it is on the disk: it cannot be finished."""
        if self._spool is not None:
            self._spool.let_go()
            if self._loader is not None:
                self._loader.begin(self._database)
            self.settle()

    def settle(self) -> Sequence[str]:
        """Wait until the finished run is in the database, or say why it waits; all troubles."""
        if self._spool is not None:
            taken_in = self._loader.result() if self._loader is not None else None
            if taken_in is None:
                taken_in = take_in(self._database)
            for waiting in taken_in.waiting:
                if waiting.run_id == self._run_id:
                    self.troubles.append(waiting.reason)
        return self.troubles

    def with_every_process(self, record: RunRecord) -> RunRecord:
        """Return ``record`` with all its processes; memory holds only the last ones.

        Call it once the run is settled. Where the run is not in the database, ``record``
        comes back as it is.
        """
        from tracer.store.reader import Reader

        with suppress(SbtraceError), Reader(self._database) as reader:
            run_id = reader.resolve(self._run_id)
            return record._replace(processes=reader.processes(run_id))
        return record

    def _open(self, begun: Run) -> None:
        self._spool = Spool.create(self._database, begun)

    def _keep(self, action: Callable[[], None]) -> None:
        try:
            action()
        except StoreError as error:
            if str(error) not in self.troubles:
                self.troubles.append(str(error))


def _hand_on(spool: Spool, collectors: Sequence[Collector]) -> None:
    for collector in collectors:
        for table, rows in collector.settled().items():
            spool.add_final(table, rows)


def _unsettled(record: RunRecord, findings: Sequence[Findings]) -> RunRecord:
    """Return the record as a snapshot has it: with the rows that may change yet."""
    for each in findings:
        record = each.unsettled(record)
    return record
