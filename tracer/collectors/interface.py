"""What collectors share: types alone.

A collector is a source of figures about one run. A session holds a list of them and knows none by
its kind, so that another one can be added beside those that there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.model import Loss, RunRecord, Sample


class Processes(Protocol):
    """Which processes figures are taken of; ``ProcessTree`` is one."""

    @property
    def top_pid(self) -> int:
        """A process whose children all belong to them."""

    @property
    def first(self) -> tuple[int, ...]:
        """Those that there were to begin with."""

    def pids(self) -> list[int]:
        """Return every one that is there now, zombies included, parents first."""


class Findings(Protocol):
    """What one collector has found of a run, up to one instant."""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What is known to be missing from it."""

    @property
    def last_ns(self) -> int | None:
        """CLOCK_MONOTONIC instant at which the last process was dead; None: this does not tell."""

    def added_to(self, record: RunRecord) -> RunRecord:
        """Return the record with this in it; ``record.run.wall_ns`` is known."""

    def unsettled(self, record: RunRecord) -> RunRecord:
        """Return the record without the rows of this that ``settled`` has given or will give.

        They are in the spool once and for all; what is left may change with every snapshot.
        """


class Collector(Protocol):
    """A source of figures about one run.

    Make it while the target waits. Call ``enrol``, then ``start``. Call ``poll`` whenever one of
    the ``descriptors`` is readable, and at least once a sample. Call ``sample`` once an interval,
    and ``snapshot`` so often that a crash costs little. At the end, call ``stop`` and ``close``.
    """

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that become readable when ``poll`` has something to do; the same during a run."""

    def enrol(self, pidfd: int) -> None:
        """Follow the process behind ``pidfd`` from its next execve on, if this follows any."""

    def start(self, start_ns: int) -> None:
        """Count all instants from ``start_ns`` of CLOCK_MONOTONIC."""

    def poll(self) -> None:
        """Take what has come in."""

    def sample(self) -> Sequence[Sample]:
        """Return what there is to be seen now: a row for each process; none of most collectors."""

    def calls_so_far(self) -> int | None:
        """Return how many calls were counted; None from a collector that counts none."""

    def settled(self) -> Mapping[str, Sequence[NamedTuple]]:
        """Return the rows that will not change any more, by table, and keep them no longer."""

    def snapshot(self) -> Findings:
        """Return what is known so far."""

    def stop(self) -> Findings:
        """Stop collecting; return what is known in the end."""

    def close(self) -> None:
        """Let go of everything; nothing can be asked after that."""
