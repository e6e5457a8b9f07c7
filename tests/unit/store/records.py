"""Records for the tests of the store: as odd as a target can make them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from tracer.model import (
    BlockedCall,
    Frame,
    Loss,
    Process,
    Run,
    RunRecord,
    Sample,
    SyscallError,
    SyscallStat,
)

ODD = "caf\u00e9 \udcff\udc80 \\xff \\ \x1b[31m \n'\""
HISTOGRAM = tuple(range(28))


def a_run(**changes: Any) -> Run:
    run = Run(
        run_id=os.urandom(6).hex(),
        started_at=datetime.now(UTC),
        argv=("ls", ODD, ""),
        executable="/bin/ls",
        cwd="/tmp",
        host="host",
        kernel="6.18",
        uid=0,
        target_uid=1000,
        profile="STRICT",
        profile_digest="00",
        profile_source="name = 'STRICT'\n",
        profile_path="/profiles/strict.toml",
        version="0",
        trace="full",
        trace_missing=None,
        tags={"ticket": "a=b", ODD: ODD},
    )
    return run._replace(**changes)


def a_sample(at_ns: int) -> Sample:
    return Sample(
        at_ns, 7, None, ODD, 1, 2, None, 3, 4, 5, 6, 7, 8, 9, None, None, None, None, None
    )


def a_record(samples: int = 3, **changes: Any) -> RunRecord:
    """A finished run with at least one row in every table."""
    ended = {"outcome": "exited", "exit_code": 0, "total_syscalls": 23}
    ended |= {"exact": True, "samples_complete": True, **changes}
    key = (1, 7, 0, 1, 7, "x86_64", 0, "read")
    return RunRecord(
        run=a_run(**ended),
        processes=(
            Process(1, 0, 7, None, 1, ODD, ODD, ("sh", ODD), False, 0, 5, None, None),
            Process(2, 0, 8, 1, 7, None, None, None, False, 3, None, 0, None),
        ),
        syscalls=(
            SyscallStat(1, 7, 0, 1, 7, "i386", 3, "read", 1, 0, 0, 1, None, None, None, (0,) * 28),
            SyscallStat(*key, 23, 2, 0, 1, 230, 5, 50, HISTOGRAM),
        ),
        syscall_errors=(SyscallError(*key, 9, "EBADF", 2, 1),),
        blocked_calls=(
            BlockedCall(
                1, 7, 0, 1, 7, 1, 2, "x86_64", 57, "fork", "ERRNO", 1,
                (0, 1, 2, 3, 4, 2**64 - 1), 2**64 - 1,
                (Frame(2**63, ODD, None, 3, "f", 4), Frame(1, None, None, None, None, None)), 3,
            ),
            BlockedCall(1, 7, 0, 1, 7, 5, 5, "x86_64", 1, "write", "LOG", None, (0,) * 6, 0, (), 1),
        ),
        samples=tuple(a_sample(at_ns) for at_ns in range(samples)),
        losses=(Loss("kernel", "map_full", 3, 1, None),),
    )  # fmt: skip
