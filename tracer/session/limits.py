"""Which of the profile's limits the target ran into, as far as its traces tell."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.model import SyscallError
    from tracer.profile import Limits

_SPACE_CALLS = frozenset({"brk", "mmap", "mremap", "mprotect", "clone", "clone3", "execve"})
_PROCESS_CALLS = frozenset({"clone", "clone3", "fork", "vfork"})


def limit_hit(
    limits: Limits,
    signals: Iterable[int],
    errors: Iterable[SyscallError],
    cpu_ns: int | None,
    refused_forks: int | None = None,
    *,
    out_of_time: bool,
) -> str | None:
    """Return the limit in words, or None if no trace of one was seen.

    ``signals`` are those that ended processes of the target, ``errors`` what the kernel
    (not the filter) returned; without eBPF there are none, and only signals tell, and
    ``refused_forks``, what the bound on processes counted itself.
    """
    ended_by = set(signals)
    if out_of_time:
        return f"wall_seconds = {limits.wall_seconds:g}: the target was ended"
    if limits.cpu_seconds is not None and (
        signal.SIGXCPU in ended_by
        or (signal.SIGKILL in ended_by and (cpu_ns or 0) >= limits.cpu_seconds * 10**9)
    ):
        return f"cpu_seconds = {limits.cpu_seconds}: a process was ended by SIGXCPU or SIGKILL"
    if limits.file_size_bytes is not None and signal.SIGXFSZ in ended_by:
        return f"file_size_bytes = {limits.file_size_bytes}: a process was ended by SIGXFSZ"
    if limits.processes is not None and refused_forks:
        times = "once" if refused_forks == 1 else f"{refused_forks} times"
        return f"processes = {limits.processes}: a new process or thread was refused {times}"
    return _refused(limits, list(errors))


def _refused(limits: Limits, errors: list[SyscallError]) -> str | None:
    tests = (
        ("address_space_bytes", limits.address_space_bytes, errno.ENOMEM, _SPACE_CALLS),
        ("data_bytes", limits.data_bytes, errno.ENOMEM, _SPACE_CALLS),
        ("processes", limits.processes, errno.EAGAIN, _PROCESS_CALLS),
        ("open_files", limits.open_files, errno.EMFILE, None),
        ("file_size_bytes", limits.file_size_bytes, errno.EFBIG, None),
    )
    for name, value, number, calls in tests:
        if value is None:
            continue
        rows = [
            e for e in errors if e.errno == number and e.failed and (not calls or e.name in calls)
        ]
        if rows:
            times = sum(row.failed for row in rows)
            names = ", ".join(sorted({row.name for row in rows}))
            return f"{name} = {value}: {names} failed {times} times with {rows[0].errno_name}"
    return None
