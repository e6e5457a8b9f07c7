"""The run's row and record, put together from what the parts know."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NamedTuple

import tracer
from tracer.completeness import counts_are_exact, samples_are_complete
from tracer.identity import invoking_user
from tracer.model import Outcome, Run, RunRecord
from tracer.session.limits import limit_hit
from tracer.session.signals import gave_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tracer.collectors.kernel import KernelRecords
    from tracer.collectors.procfs import Baseline
    from tracer.model import Loss
    from tracer.session.request import Plan


class Description(NamedTuple):
    """What a target is: fields of ``Run``, with the same meaning."""

    argv: tuple[str, ...]
    executable: str
    cwd: str
    target_uid: int
    capabilities: tuple[str, ...] | None
    dropped_capabilities: tuple[str, ...] | None
    no_new_privs: bool | None


class Ended(NamedTuple):
    """How the target ended."""

    status: int | None
    """Wait status of the command; None if it is not known."""
    timed_out: bool
    interrupted_by: frozenset[int]
    """Signals by which somebody asked for the end (Ctrl-C, SIGTERM…)."""
    ended_by: int | None
    """The signal that ended what the command had left behind; None if none did."""
    broken_off: bool
    """Whether sbtrace ended the target because a part of sbtrace was killed."""
    refused_forks: int | None
    """Forks that the bound on processes refused; None if it is not known."""
    wall_ns: int


def end_ns(kernel: KernelRecords | None, gone_ns: int) -> int:
    """Return when the last process of the target was dead, by CLOCK_MONOTONIC.

    ``gone_ns``: when all of them had been reaped, which may be late and is never early. The
    kernel's own instant is that of the last process followed; where one may not have been
    followed, it could be early.
    """
    if kernel is None or kernel.last_ns is None or not counts_are_exact(kernel.losses):
        return gone_ns
    return kernel.last_ns


def opening(
    plan: Plan,
    target: Description,
    run_id: str,
    started_at: datetime,
    trace_missing: str | None,
    *,
    traced: bool,
) -> Run:
    """Return the row of a run that has just begun."""
    return Run(
        run_id=run_id,
        started_at=started_at,
        host=plan.host,
        kernel=plan.kernel,
        uid=invoking_user().uid,
        profile=plan.profile.name,
        profile_digest=plan.profile.digest,
        profile_source=plan.profile.source,
        profile_path=plan.profile.path,
        version=tracer.__version__,
        trace="full" if traced else "none",
        trace_missing=trace_missing,
        tags=dict(plan.request.tags),
        **target._asdict(),
    )


def so_far(
    run: Run, baseline: Baseline, kernel: KernelRecords | None, losses: Iterable[Loss], wall_ns: int
) -> RunRecord:
    """Return the record of a run that goes on: what a crash of sbtrace would leave."""
    return _record(_measured(run, baseline, kernel, tuple(losses), wall_ns), kernel, tuple(losses))


def closing(
    plan: Plan,
    run: Run,
    ended: Ended,
    baseline: Baseline,
    kernel: KernelRecords | None,
    losses: Iterable[Loss],
) -> RunRecord:
    """Return the final record of a run."""
    known = tuple(losses)
    run = _measured(run, baseline, kernel, known, ended.wall_ns)
    code = signal_ = None
    if ended.status is not None:
        code = os.WEXITSTATUS(ended.status) if os.WIFEXITED(ended.status) else None
        signal_ = os.WTERMSIG(ended.status) if os.WIFSIGNALED(ended.status) else None
    run = run._replace(
        outcome=_outcome(ended, signal_, kernel),
        exit_code=code,
        term_signal=signal_,
        limit_hit=_limit(plan, ended, signal_, run, kernel),
    )
    return _record(run, kernel, known)


def _record(run: Run, kernel: KernelRecords | None, losses: tuple[Loss, ...]) -> RunRecord:
    if kernel is None:
        return RunRecord(run=run, losses=losses)
    return RunRecord(
        run=run,
        processes=kernel.processes,
        syscalls=tuple(kernel.totals.stats),
        syscall_errors=tuple(kernel.totals.errors),
        blocked_calls=kernel.blocked_calls,
        losses=losses,
    )


def _measured(
    run: Run,
    baseline: Baseline,
    kernel: KernelRecords | None,
    losses: tuple[Loss, ...],
    wall_ns: int,
) -> Run:
    run = run._replace(
        wall_ns=wall_ns,
        user_ns=baseline.user_ns,
        system_ns=baseline.system_ns,
        peak_cpu_percent=_peak_cpu(baseline, wall_ns),
        max_rss_bytes=baseline.max_rss_bytes,
        peak_vm_bytes=baseline.peak_vm_bytes,
        minor_faults=baseline.minor_faults,
        major_faults=baseline.major_faults,
        read_syscalls=baseline.read_syscalls,
        write_syscalls=baseline.write_syscalls,
        sigsys=baseline.sigsys,
        samples_complete=samples_are_complete(losses),
    )
    if kernel is None:
        return run
    return run._replace(
        total_syscalls=sum(row.calls for row in kernel.totals.stats),
        unfinished_syscalls=sum(row.unfinished for row in kernel.totals.stats),
        error_syscalls=sum(row.errors for row in kernel.totals.stats),
        blocked_syscalls=sum(row.blocked for row in kernel.totals.stats),
        exact=counts_are_exact(losses),
    )


def _peak_cpu(baseline: Baseline, wall_ns: int) -> float | None:
    """Return the most CPU of any span of the run, the whole of it being one too.

    The spans between samples end with the reaping of the last process, ``wall_ns`` with its
    end, by the kernel's clock: on a busy machine that is some milliseconds less.
    """
    if baseline.peak_cpu_percent is None or wall_ns <= 0:
        return baseline.peak_cpu_percent
    return max(baseline.peak_cpu_percent, 100 * (baseline.user_ns + baseline.system_ns) / wall_ns)


def _outcome(ended: Ended, number: int | None, kernel: KernelRecords | None) -> Outcome:
    if ended.timed_out:
        return "timed_out"
    if number == signal.SIGSYS and (
        kernel is None or any(row.blocked for row in kernel.totals.stats)
    ):
        return "blocked"
    if ended.broken_off or ended.ended_by is not None or _gave_in(ended):
        return "interrupted"
    return "signaled" if number is not None else "exited"


def _gave_in(ended: Ended) -> bool:
    return ended.status is not None and gave_in(ended.status, ended.interrupted_by)


def _limit(
    plan: Plan, ended: Ended, number: int | None, run: Run, kernel: KernelRecords | None
) -> str | None:
    signals = {number} if number is not None else set()
    if kernel is not None:
        signals |= {row.term_signal for row in kernel.processes if row.term_signal is not None}
    cpu_ns = (run.user_ns or 0) + (run.system_ns or 0)
    return limit_hit(
        plan.profile.limits,
        signals,
        kernel.totals.errors if kernel is not None else (),
        cpu_ns,
        ended.refused_forks,
        out_of_time=ended.timed_out and plan.timeout_is_limit,
    )
