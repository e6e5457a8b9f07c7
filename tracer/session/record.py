"""The run's row and record, put together from what the parts know."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import tracer
from tracer.identity import invoking_user
from tracer.model import Outcome, Run, RunRecord
from tracer.session.limits import limit_hit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tracer.collectors.kernel import KernelRecords
    from tracer.collectors.procfs import Baseline
    from tracer.model import Loss
    from tracer.session.request import Plan


@dataclass(frozen=True, slots=True)
class Ended:
    """How the target ended."""

    status: int | None
    """Wait status of the command; None if it is not known."""
    timed_out: bool
    interrupted: bool
    """Whether somebody asked sbtrace to stop (Ctrl-C, SIGTERM…)."""
    wall_ns: int


def opening(
    plan: Plan, run_id: str, started_at: datetime, trace_missing: str | None, *, traced: bool
) -> Run:
    """Return the row of a run that has just begun."""
    return Run(
        run_id=run_id,
        started_at=started_at,
        argv=plan.request.command,
        executable=plan.executable,
        cwd=plan.cwd,
        host=plan.host,
        kernel=plan.kernel,
        uid=invoking_user().uid,
        target_uid=plan.user.uid,
        profile=plan.profile.name,
        profile_digest=plan.profile.digest,
        profile_source=plan.profile.source,
        profile_path=plan.profile.path,
        version=tracer.__version__,
        trace="full" if traced else "none",
        trace_missing=trace_missing,
        tags=dict(plan.request.tags),
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
    run = replace(
        run,
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
        syscalls=kernel.syscalls,
        syscall_errors=kernel.syscall_errors,
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
    run = replace(
        run,
        wall_ns=wall_ns,
        user_ns=baseline.user_ns,
        system_ns=baseline.system_ns,
        peak_cpu_percent=baseline.peak_cpu_percent,
        max_rss_bytes=baseline.max_rss_bytes,
        peak_vm_bytes=baseline.peak_vm_bytes,
        minor_faults=baseline.minor_faults,
        major_faults=baseline.major_faults,
        read_syscalls=baseline.read_syscalls,
        write_syscalls=baseline.write_syscalls,
        sigsys=baseline.sigsys,
    )
    if kernel is None:
        return run
    return replace(
        run,
        total_syscalls=sum(row.calls for row in kernel.syscalls),
        unfinished_syscalls=sum(row.unfinished for row in kernel.syscalls),
        error_syscalls=sum(row.errors for row in kernel.syscalls),
        blocked_syscalls=sum(row.blocked for row in kernel.syscalls),
        exact=not losses,
    )


def _outcome(ended: Ended, number: int | None, kernel: KernelRecords | None) -> Outcome:
    if ended.timed_out:
        return "timed_out"
    if number == signal.SIGSYS and (kernel is None or any(row.blocked for row in kernel.syscalls)):
        return "blocked"
    if ended.interrupted and number is not None:
        return "interrupted"
    return "signaled" if number is not None else "exited"


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
        kernel.syscall_errors if kernel is not None else (),
        cpu_ns,
        out_of_time=ended.timed_out and plan.timeout_is_limit,
    )
