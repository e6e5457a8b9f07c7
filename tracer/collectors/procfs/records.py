"""What goes into and comes out of the baseline collector besides samples and losses."""

from typing import NamedTuple


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
    """What the accounts of a target held before its run began: of a command, what the launcher
    had used just before execve, by its own getrusage(RUSAGE_SELF)."""

    user_ns: int
    system_ns: int
    minor_faults: int
    major_faults: int
    peak_rss_bytes: int
