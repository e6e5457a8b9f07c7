"""The records that cross the boundaries of sbtrace's parts.

A collector makes them, the store keeps them, a report prints them. They are named tuples:
classes and objects of them are made faster than those of dataclasses, the ones at every start,
of the others a run may have a million.
``None`` always means "not known", never zero. Durations and instants are integers in
nanoseconds; an instant ``*_ns`` counts from the start of the run (CLOCK_MONOTONIC).
Sizes are in bytes. Text that came from the target (argv, names) may hold bytes that are
not UTF-8: they are kept as surrogate escapes (PEP 383) in memory.
"""

from datetime import datetime
from typing import Literal, NamedTuple

Outcome = Literal["running", "exited", "signaled", "blocked", "timed_out", "interrupted"]
TraceMode = Literal["full", "none"]

HISTOGRAM_BUCKETS = 28
"""Buckets of a latency histogram, see ``SyscallStat.histogram``."""
HISTOGRAM_FIRST_SHIFT = 7
"""Bucket 0 holds latencies below 2**7 ns; bucket i>0 those in [2**(6+i), 2**(7+i)) ns;
the last one holds everything from 2**33 ns (8.6 s) up."""


class Run(NamedTuple):
    """One supervised execution of a target: the row of ``runs``."""

    run_id: str
    """12 hex digits, random."""
    started_at: datetime
    """When the target's execve was let go; aware, UTC."""
    argv: tuple[str, ...]
    executable: str
    """The file that the command was resolved to."""
    cwd: str
    host: str
    kernel: str
    """``uname -r``."""
    uid: int
    """The user who asked: SUDO_UID under sudo, else the real uid of sbtrace."""
    target_uid: int
    """The user that the target ran as."""
    profile: str
    profile_digest: str
    """SHA-256 of the profile's file, hex."""
    profile_source: str
    """The profile's text, whole, so that ``why`` can explain a run after it changed."""
    profile_path: str
    version: str
    """sbtrace's version."""
    trace: TraceMode
    """``full``: eBPF counted; ``none``: baseline only, eBPF figures are None."""
    trace_missing: str | None
    """Why ``trace`` is ``none`` although eBPF was wanted; None if it was not wanted or ran."""
    tags: dict[str, str]
    outcome: Outcome = "running"
    """``blocked``: the seccomp filter killed the command (SIGSYS); ``interrupted``: sbtrace
    itself was killed, or the user interrupted the target."""
    exit_code: int | None = None
    """Exit status of the command; None if a signal ended it."""
    term_signal: int | None = None
    """Signal that ended the command; None if it exited."""
    limit_hit: str | None = None
    """The resource limit that ended or bounded the target, as text; None if none is known."""
    wall_ns: int | None = None
    user_ns: int | None = None
    """CPU time in user mode of the whole target (wait4 rusage of every reaped process)."""
    system_ns: int | None = None
    peak_cpu_percent: float | None = None
    """Most CPU between two samples, 100 = one core; None with fewer than two samples."""
    max_rss_bytes: int | None = None
    """Largest resident set of any one process; None if it could not be told from the launcher's."""
    peak_vm_bytes: int | None = None
    """Largest VmPeak seen of any one process (/proc/PID/status)."""
    minor_faults: int | None = None
    major_faults: int | None = None
    read_syscalls: int | None = None
    """``syscr`` of /proc/PID/io over the whole target."""
    write_syscalls: int | None = None
    """``syscw`` of /proc/PID/io over the whole target."""
    sigsys: int | None = None
    """Processes reaped by sbtrace whose wait status says SIGSYS."""
    total_syscalls: int | None = None
    """Calls entered by the whole target, from eBPF."""
    unfinished_syscalls: int | None = None
    """Calls entered that never returned (exit_group, or the thread died inside)."""
    error_syscalls: int | None = None
    """Calls that the kernel failed, from eBPF."""
    blocked_syscalls: int | None = None
    """Calls that the seccomp filter blocked, from eBPF; not part of ``total_syscalls``."""
    exact: bool | None = None
    """True if no loss is known that takes from eBPF's counts; None with ``trace`` = none."""
    samples_complete: bool | None = None
    """True if no sample is known to be late or lost; None before the first snapshot."""
    capabilities: tuple[str, ...] | None = None
    """The permitted set that the command began with, as ``CAP_CHOWN``: capabilities(7)."""
    dropped_capabilities: tuple[str, ...] | None = None
    """Those that sbtrace's caller had and the command began without."""
    no_new_privs: bool | None = None
    """Whether setuid programs gave the target no rights: prctl(2)."""


class Process(NamedTuple):
    """One image of one process: a row of ``processes``."""

    process_id: int
    """1, 2, 3… in order of start within the run: a key that the kernel cannot reuse."""
    image: int
    """0 for the first image seen in the process, one more at each execve."""
    pid: int
    """The kernel's tgid, as seen from sbtrace's PID namespace."""
    parent_id: int | None
    """``process_id`` of the parent; None for the command itself."""
    ppid: int | None
    comm: str | None
    """Task name at the image's end (task_struct.comm, 15 bytes)."""
    executable: str | None
    """Path as it was given to execve; None for an image made by fork alone."""
    argv: tuple[str, ...] | None
    """None for an image made by fork alone."""
    argv_truncated: bool
    """True if ``argv`` is only the beginning."""
    start_ns: int
    end_ns: int | None
    """When the image ended, by execve or exit; None if it had not when sbtrace stopped."""
    exit_code: int | None
    """Only on a process's last image."""
    term_signal: int | None


class SyscallStat(NamedTuple):
    """What one thread did with one syscall within one image: a row of ``syscalls``."""

    process_id: int
    pid: int
    image: int
    thread_id: int
    """1, 2, 3… in order of start within the run."""
    tid: int
    abi: str
    """``x86_64``, ``i386``, ``x32``, ``arm64``, ``arm``."""
    nr: int
    name: str
    """Kernel's name, or ``syscall_0x…`` where the number has none."""
    calls: int
    errors: int
    blocked: int
    unfinished: int
    total_ns: int | None
    """Sum of the latencies of the calls that returned; None if none did."""
    min_ns: int | None
    max_ns: int | None
    histogram: tuple[int, ...]
    """Calls that returned, by log2 latency; HISTOGRAM_BUCKETS long."""


class SyscallError(NamedTuple):
    """One errno of one syscall of one thread and image: a row of ``syscall_errors``."""

    process_id: int
    pid: int
    image: int
    thread_id: int
    tid: int
    abi: str
    nr: int
    name: str
    errno: int
    errno_name: str
    """``ENOENT``; ``ERESTARTSYS`` and its kin (512-516, include/linux/errno.h) included."""
    failed: int
    """Times that the kernel itself returned it."""
    blocked: int
    """Times that the filter returned it instead of the kernel."""


class Frame(NamedTuple):
    """One frame of a user stack, innermost first."""

    address: int
    object: str | None
    """Path of the ELF file; None if unknown."""
    build_id: str | None
    offset: int | None
    """File's virtual address (what ``addr2line -e`` takes) of the frame."""
    function: str | None
    function_offset: int | None


class BlockedCall(NamedTuple):
    """A call that the filter blocked or logged, identical ones folded: ``blocked_calls``."""

    process_id: int
    pid: int
    image: int
    thread_id: int
    tid: int
    at_ns: int
    """When the first of them happened."""
    last_ns: int
    abi: str
    nr: int
    name: str
    action: str
    """``ERRNO``, ``TRAP``, ``KILL_PROCESS``, ``KILL_THREAD``, ``LOG`` or ``unknown``."""
    errno: int | None
    """What an ERRNO action returned; None for other actions."""
    args: tuple[int, ...]
    """The six argument registers."""
    instruction_pointer: int
    frames: tuple[Frame, ...]
    count: int  # type: ignore[assignment] # the column's name, not tuple.count
    """How many alike, this one included."""
    paths: tuple[str | None, ...] | None = ()
    """What its path arguments said, in their order: up to 239 bytes each, longer ones with an
    ellipsis; None within where one could not be read. Empty where it has none or there was no
    room to keep them; None in runs recorded before they were read."""


class Argument(NamedTuple):
    """One argument of one combination that a call was made with: a row of ``arguments``.

    Of calls whose danger is in an argument, each distinct combination of a process image is kept
    once, blocked calls aside. ``combination``, ``argument`` and ``value`` None: there were more
    than are kept.
    """

    process_id: int
    pid: int
    image: int
    abi: str
    nr: int
    name: str
    combination: int | None
    """1, 2, 3…: rows of one image and call with the same one belong together."""
    argument: int | None
    """0 to 5."""
    value: int | None
    """The register, unsigned."""


class Sample(NamedTuple):
    """One process at one instant, from /proc: a row of ``samples``. None = not readable."""

    at_ns: int
    pid: int
    ppid: int | None
    comm: str | None
    user_ns: int | None
    system_ns: int | None
    cpu_percent: float | None
    """Since the sample before, 100 = one core; None in a process's first sample."""
    rss_bytes: int | None
    vm_bytes: int | None
    peak_vm_bytes: int | None
    minor_faults: int | None
    major_faults: int | None
    read_syscalls: int | None
    write_syscalls: int | None
    read_chars: int | None
    write_chars: int | None
    read_bytes: int | None
    write_bytes: int | None
    threads: int | None


class Loss(NamedTuple):
    """Something that a collector knows it did not record: a row of ``losses``."""

    collector: str
    """``kernel``, ``procfs`` or ``store``."""
    kind: str
    """One of the kinds that docs/counting.md lists."""
    count: int  # type: ignore[assignment] # the column's name, not tuple.count
    first_ns: int | None = None
    last_ns: int | None = None


class RunRecord(NamedTuple):
    """All that is known of one run, as the store takes and gives it."""

    run: Run
    processes: tuple[Process, ...] = ()
    syscalls: tuple[SyscallStat, ...] = ()
    syscall_errors: tuple[SyscallError, ...] = ()
    blocked_calls: tuple[BlockedCall, ...] = ()
    samples: tuple[Sample, ...] = ()
    losses: tuple[Loss, ...] = ()
