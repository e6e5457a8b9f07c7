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
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tracer.collectors.interface import Findings
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


def end_ns(findings: Iterable[Findings], gone_ns: int) -> int:
    """Return when the last process of the target was dead, by CLOCK_MONOTONIC.

    ``gone_ns``: when all of them had been reaped, which may be late and is never early. It counts
    where no collector tells.
    """
    return next((each.last_ns for each in findings if each.last_ns is not None), gone_ns)


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


def so_far(run: Run, findings: Sequence[Findings], wall_ns: int) -> RunRecord:
    """Return the record of a run that goes on: what a crash of sbtrace would leave."""
    record = RunRecord(
        run=run._replace(wall_ns=wall_ns),
        losses=tuple(loss for each in findings for loss in each.losses),
    )
    for each in findings:
        record = each.added_to(record)
    return record._replace(
        run=record.run._replace(
            samples_complete=samples_are_complete(record.losses),
            exact=counts_are_exact(record.losses) if run.trace == "full" else None,
        )
    )


def closing(plan: Plan, run: Run, ended: Ended, findings: Sequence[Findings]) -> RunRecord:
    """Return the final record of a run."""
    record = so_far(run, findings, ended.wall_ns)
    code = signal_ = None
    if ended.status is not None:
        code = os.WEXITSTATUS(ended.status) if os.WIFEXITED(ended.status) else None
        signal_ = os.WTERMSIG(ended.status) if os.WIFSIGNALED(ended.status) else None
    return record._replace(
        run=record.run._replace(
            outcome=_outcome(ended, signal_, record),
            exit_code=code,
            term_signal=signal_,
            limit_hit=_limit(plan, ended, signal_, record),
        )
    )


def _outcome(ended: Ended, number: int | None, record: RunRecord) -> Outcome:
    if ended.timed_out:
        return "timed_out"
    may_be_refused = record.run.trace == "none" or any(row.blocked for row in record.syscalls)
    if number == signal.SIGSYS and may_be_refused:
        return "blocked"
    if ended.broken_off or ended.ended_by is not None or _gave_in(ended):
        return "interrupted"
    return "signaled" if number is not None else "exited"


def _gave_in(ended: Ended) -> bool:
    return ended.status is not None and gave_in(ended.status, ended.interrupted_by)


def _limit(plan: Plan, ended: Ended, number: int | None, record: RunRecord) -> str | None:
    signals = {row.term_signal for row in record.processes if row.term_signal is not None}
    signals |= {number} if number is not None else set()
    cpu_ns = (record.run.user_ns or 0) + (record.run.system_ns or 0)
    return limit_hit(
        plan.profile.limits,
        signals,
        record.syscall_errors,
        cpu_ns,
        ended.refused_forks,
        out_of_time=ended.timed_out and plan.timeout_is_limit,
    )
