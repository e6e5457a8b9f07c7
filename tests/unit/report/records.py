"""A made-up run that has a bit of everything, for the tests of the reports."""

from __future__ import annotations

from datetime import UTC, datetime

from tracer.model import (
    HISTOGRAM_BUCKETS,
    BlockedCall,
    Frame,
    Loss,
    Process,
    Run,
    RunRecord,
    SyscallError,
    SyscallStat,
)

MS = 1_000_000
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"

RUN = Run(
    run_id="0123456789ab",
    started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    argv=("./violate", "a b"),
    executable="/home/u/violate",
    cwd="/home/u",
    host="h",
    kernel="6.18.0",
    uid=1000,
    target_uid=1000,
    profile="STRICT",
    profile_digest="0" * 64,
    profile_source="name = 'STRICT'",
    profile_path="profiles/strict.toml",
    version="0.1",
    trace="full",
    trace_missing=None,
    tags={},
    outcome="exited",
    exit_code=0,
    wall_ns=12_345_678,
    user_ns=2_000_000,
    system_ns=3_000_000,
    peak_cpu_percent=98.4,
    max_rss_bytes=3 << 20,
    peak_vm_bytes=10 << 20,
    minor_faults=1234,
    major_faults=0,
    read_syscalls=12,
    write_syscalls=1,
    sigsys=0,
    total_syscalls=1042,
    unfinished_syscalls=1,
    error_syscalls=3,
    blocked_syscalls=0,
    exact=True,
    samples_complete=True,
)


def stat(name: str, nr: int, calls: int, **changes: object) -> SyscallStat:
    """One thread's figures for one syscall: each call took 1,000 ns."""
    histogram = [0] * HISTOGRAM_BUCKETS
    histogram[3] = calls
    base = SyscallStat(
        process_id=1,
        pid=70,
        image=0,
        thread_id=1,
        tid=70,
        abi="x86_64",
        nr=nr,
        name=name,
        calls=calls,
        errors=0,
        blocked=0,
        unfinished=0,
        total_ns=1000 * calls if calls else None,
        min_ns=900 if calls else None,
        max_ns=1100 if calls else None,
        histogram=tuple(histogram),
    )
    return base._replace(**changes)  # type: ignore[arg-type]


def process(process_id: int, image: int = 0, **changes: object) -> Process:
    """One image of a process whose pid is 69 more than its number."""
    base = Process(
        process_id=process_id,
        image=image,
        pid=69 + process_id,
        parent_id=None if process_id == 1 else 1,
        ppid=69,
        comm="violate",
        executable="/home/u/violate",
        argv=("./violate", "a b"),
        argv_truncated=False,
        start_ns=0,
        end_ns=12 * MS,
        exit_code=0,
        term_signal=None,
    )
    return base._replace(**changes)  # type: ignore[arg-type]


FRAMES = (
    Frame(0x7F0000001234, LIBC, "ab", 0xE1234, "_Fork", 0x24),
    Frame(0x7F0000005678, LIBC, "ab", 0xE5678, "fork", 0x10),
    Frame(0x555555555234, "/home/u/violate", "cd", 0x1234, "spawn_child", 0x1F),
    Frame(0x555555555300, "/home/u/violate", "cd", 0x1300, "main", 0x40),
)


def blocked_call(**changes: object) -> BlockedCall:
    """The clone of a fork that the filter answered with death."""
    base = BlockedCall(
        process_id=1,
        pid=70,
        image=0,
        thread_id=1,
        tid=70,
        at_ns=1_500_000,
        last_ns=1_500_000,
        abi="x86_64",
        nr=56,
        name="clone",
        action="KILL_PROCESS",
        errno=None,
        args=(0x1200011, 0, 0, 0x7F0000000A10, 0, 0),
        instruction_pointer=0x7F0000001234,
        frames=FRAMES,
        count=1,
    )
    return base._replace(**changes)  # type: ignore[arg-type]


RECORD = RunRecord(
    run=RUN,
    processes=(process(1),),
    syscalls=(
        stat("read", 0, 12),
        stat("getppid", 110, 1009),
        stat("openat", 257, 20, errors=3),
        stat("exit_group", 231, 1, unfinished=1, total_ns=None, min_ns=None, max_ns=None),
    ),
    syscall_errors=(SyscallError(1, 70, 0, 1, 70, "x86_64", 257, "openat", 2, "ENOENT", 3, 0),),
)

KILLED = RECORD._replace(
    run=RUN._replace(
        outcome="blocked",
        exit_code=None,
        term_signal=31,
        sigsys=1,
        blocked_syscalls=1,
    ),
    syscalls=(*RECORD.syscalls, stat("clone", 56, 0, blocked=1)),
    blocked_calls=(blocked_call(),),
)

BASELINE_ONLY = RunRecord(
    run=RUN._replace(
        trace="none",
        trace_missing="eBPF needs root: run it with sudo",
        total_syscalls=None,
        unfinished_syscalls=None,
        error_syscalls=None,
        blocked_syscalls=None,
        exact=None,
        max_rss_bytes=None,
        peak_vm_bytes=None,
        peak_cpu_percent=None,
    )
)

INEXACT = RECORD._replace(
    run=RUN._replace(exact=False, samples_complete=False),
    losses=(Loss("kernel", "lost_calls", 3), Loss("procfs", "late_sample", 1, 5, 5)),
)
