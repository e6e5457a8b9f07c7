"""How a run ended, and which of its figures are known: from what was measured, no more."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.unit.store.records import a_record, a_run
from tracer.collectors.kernel.collector import KernelRecords
from tracer.collectors.kernel.totals import CountRows
from tracer.collectors.procfs import Baseline, BaselineFindings
from tracer.model import Loss
from tracer.profile import Limits
from tracer.session import record as module
from tracer.session.record import Ended, closing, end_ns, so_far

if TYPE_CHECKING:
    from tracer.model import Run, RunRecord

BASELINE = Baseline(*(1009 + number for number in range(len(Baseline._fields))))
SHARED = [name for name in Baseline._fields if name in module.Run._fields]
WALL_NS = 5_000


class Profile(NamedTuple):
    limits: Limits = Limits()


class Plan(NamedTuple):
    """As much of a plan as the end of a run needs."""

    profile: Profile = Profile()
    timeout_is_limit: bool = False


def kernel(**changes: Any) -> KernelRecords:
    whole = a_record()
    totals = CountRows(whole.syscalls, whole.syscall_errors)
    fields = dict.fromkeys(KernelRecords._fields)
    known = {"processes": whole.processes, "live": CountRows(), "totals": totals}
    known |= {"blocked_calls": whole.blocked_calls, "losses": ()}
    return KernelRecords(**{**fields, **known, **changes})


def ended(status: int | None = 0, **changes: Any) -> Ended:
    plain = dict.fromkeys(Ended._fields) | {
        "status": status,
        "timed_out": False,
        "interrupted_by": frozenset(),
        "broken_off": False,
        "wall_ns": WALL_NS,
    }
    return Ended(**{**plain, **changes})


def close(
    end: Ended, records: KernelRecords | None = None, *losses: Loss, **plan: Any
) -> RunRecord:
    return closing(Plan(**plan), begun(records), end, findings(records, *losses))  # type: ignore[arg-type]


def begun(records: KernelRecords | None) -> Run:
    return a_run(outcome="running", trace="none" if records is None else "full")


def findings(records: KernelRecords | None, *losses: Loss, baseline: Baseline = BASELINE) -> Any:
    kept = () if records is None else (records._replace(losses=losses or records.losses),)
    return [*kept, BaselineFindings(baseline, () if records else losses)]


def outcome(end: Ended, records: KernelRecords | None = None) -> str:
    return str(close(end, records).run.outcome)


def exited(code: int) -> int:
    return code << 8


def refusing(blocked: int) -> KernelRecords:
    rows = [row._replace(blocked=blocked) for row in a_record().syscalls]
    return kernel(totals=CountRows(rows))


KILLED, SIGSYS = int(signal.SIGKILL), int(signal.SIGSYS)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (ended(exited(0)), "exited"),
        (ended(exited(3)), "exited"),
        (ended(KILLED), "signaled"),
        (ended(KILLED, timed_out=True), "timed_out"),
        (ended(SIGSYS, timed_out=True), "timed_out"),
        (ended(KILLED, broken_off=True), "interrupted"),
        (ended(exited(0), ended_by=15), "interrupted"),
        (ended(15, interrupted_by=frozenset({15})), "interrupted"),
        (ended(SIGSYS), "blocked"),
    ],
)
def test_the_outcome_is_the_strongest_that_is_true(end: Ended, said: str) -> None:
    assert outcome(end) == said


def test_a_sigsys_that_no_filter_sent_is_a_signal() -> None:
    """Without eBPF nobody can tell; with it, something was refused or not."""
    assert outcome(ended(SIGSYS), refusing(0)) == "signaled"
    assert outcome(ended(SIGSYS), refusing(1)) == "blocked"


@pytest.mark.parametrize(
    ("status", "code", "number"), [(exited(7), 7, None), (KILLED, None, KILLED), (None, None, None)]
)
def test_a_run_has_an_exit_code_or_a_signal(
    status: int | None, code: int | None, number: int | None
) -> None:
    run = close(ended(status)).run
    assert (run.exit_code, run.term_signal, run.wall_ns) == (code, number, WALL_NS)


def figures(run: Run) -> list[object]:
    return [getattr(run, name) for name in SHARED]


def test_each_figure_of_the_baseline_is_the_runs() -> None:
    expected = [getattr(BASELINE, name) for name in SHARED]
    assert len(SHARED) >= 9
    assert figures(close(ended()).run) == expected
    assert figures(so_far(begun(None), findings(None), WALL_NS).run) == expected


def test_a_run_ends_when_the_kernel_says_that_its_last_process_did() -> None:
    gone, told = 7_000, 5_009
    assert end_ns(findings(kernel(last_ns=told)), gone) == told
    assert end_ns(findings(kernel()), gone) == gone
    assert end_ns(findings(None), gone) == gone


@pytest.mark.parametrize(("seen", "most"), [(70.0, 80.0), (90.0, 90.0), (None, None)])
def test_the_most_cpu_is_no_less_than_the_mean_by_the_kernels_clock(
    seen: float | None, most: float | None
) -> None:
    """Of a run that used 80 %."""
    used = BASELINE._replace(user_ns=3_000, system_ns=1_000, peak_cpu_percent=seen)
    assert so_far(begun(None), findings(None, baseline=used), WALL_NS).run.peak_cpu_percent == most


def test_without_ebpf_there_is_no_count_and_nothing_is_exact() -> None:
    found = close(ended())
    run = found.run
    assert (run.total_syscalls, run.blocked_syscalls, run.error_syscalls) == (None, None, None)
    assert (run.unfinished_syscalls, run.exact) == (None, None)
    assert (found.syscalls, found.processes, found.blocked_calls) == ((), (), ())


def test_counts_are_the_sums_of_the_rows() -> None:
    rows = a_record().syscalls
    run = close(ended(), kernel()).run
    assert run.total_syscalls == sum(row.calls for row in rows) == 24
    assert run.unfinished_syscalls == sum(row.unfinished for row in rows) == 2
    assert run.error_syscalls == sum(row.errors for row in rows) == 2
    assert run.blocked_syscalls == sum(row.blocked for row in rows)
    assert run.exact is True


def test_a_loss_of_calls_is_kept_and_makes_the_run_inexact() -> None:
    loss = Loss("kernel", "lost_calls", 3)
    found = close(ended(), kernel(), loss)
    assert (found.run.exact, found.losses) == (False, (loss,))


def test_a_limit_that_was_met_is_named() -> None:
    limits = Profile(Limits(cpu_seconds=3, wall_seconds=5.0))
    cpu = close(ended(int(signal.SIGXCPU)), profile=limits).run
    assert "cpu_seconds = 3" in (cpu.limit_hit or "")
    late = ended(KILLED, timed_out=True)
    assert "wall_seconds = 5" in (
        close(late, profile=limits, timeout_is_limit=True).run.limit_hit or ""
    )
    assert close(late, profile=limits).run.limit_hit is None  # it was --timeout


def test_a_child_that_met_a_limit_is_known_by_ebpf_alone() -> None:
    limits = Profile(Limits(cpu_seconds=3))
    first, *others = a_record().processes
    found = kernel(processes=(first._replace(term_signal=int(signal.SIGXCPU)), *others))
    assert close(ended(exited(1)), profile=limits).run.limit_hit is None
    run = close(ended(exited(1)), found, profile=limits).run
    assert "cpu_seconds = 3" in (run.limit_hit or "")
