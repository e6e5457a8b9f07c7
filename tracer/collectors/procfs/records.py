"""What goes into and comes out of the baseline collector besides samples and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tracer.model import Loss, RunRecord


class Baseline(NamedTuple):
    """The baseline figures of one run: fields of ``Run``, with the same units and meaning."""

    read_syscalls: int | None
    write_syscalls: int | None
    minor_faults: int
    major_faults: int
    max_rss_bytes: int | None
    peak_vm_bytes: int | None
    peak_cpu_percent: float | None
    user_ns: int
    system_ns: int
    sigsys: int


class UsedBefore(NamedTuple):
    """What the accounts of a target held before its run began. For a command that is what the
    launcher had used just before execve, by its own getrusage(RUSAGE_SELF)."""

    user_ns: int
    system_ns: int
    minor_faults: int
    major_faults: int
    peak_rss_bytes: int


class BaselineFindings(NamedTuple):
    """The figures, with what is missing: the ``Findings`` of this collector."""

    figures: Baseline
    losses: tuple[Loss, ...]
    last_ns: None = None
    """A process is reaped some time after its death, so the instant is not known here."""

    def added_to(self, record: RunRecord) -> RunRecord:
        """Return the record with the figures in its run."""
        wall_ns = record.run.wall_ns or 0
        figures = self.figures._replace(peak_cpu_percent=_peak_cpu(self.figures, wall_ns))
        return record._replace(run=record.run._replace(**figures._asdict()))

    def unsettled(self, record: RunRecord) -> RunRecord:
        """Return the record as it is: it has no rows of this."""
        return record


def _peak_cpu(baseline: Baseline, wall_ns: int) -> float | None:
    """Return the most CPU of any span of the run, the whole of it being one too.

    The spans between samples end with the reaping of the last process, ``wall_ns`` with its
    end, by the kernel's clock: on a busy machine that is some milliseconds less.
    """
    if baseline.peak_cpu_percent is None or wall_ns <= 0:
        return baseline.peak_cpu_percent
    return max(baseline.peak_cpu_percent, 100 * (baseline.user_ns + baseline.system_ns) / wall_ns)
