"""What a seccomp filter may answer of a call, and which answer counts where filters are stacked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACTION, _DATA = 0xFFFF_0000, 0x0000_FFFF  # SECCOMP_RET_ACTION_FULL, SECCOMP_RET_DATA
_MAX_ERRNO = 4095
KILL_PROCESS = 0x8000_0000
_KINDS = {
    KILL_PROCESS: "kill_process",
    0x0000_0000: "kill_thread",
    0x0003_0000: "trap",
    0x0005_0000: "errno",
    0x7FC0_0000: "user_notif",
    0x7FF0_0000: "trace",
    0x7FFC_0000: "log",
    0x7FFF_0000: "allow",
}


class Verdict(NamedTuple):
    """An answer, in words."""

    kind: str
    """As a profile names it, or ``user_notif`` and ``trace``, which ask another process."""
    data: int
    """The errno of ``errno``; what a tracer or a handler is given, for the others."""

    @property
    def permits(self) -> bool:
        """True if the kernel executes the call without asking anyone."""
        return self.kind in ("allow", "log")

    def __str__(self) -> str:
        """``allow``, ``errno:EPERM``: the profile's own spelling where it has one."""
        if self.kind == "errno":
            return f"errno:{syscalls.errno_name(self.data)}" if self.data else "errno:0"
        return self.kind


def verdict(value: int) -> Verdict:
    """What SECCOMP_RET_… means. The kernel takes what it does not know for kill_process."""
    kind = _KINDS.get(value & _ACTION, "kill_process")
    data = value & _DATA
    return Verdict(kind, min(data, _MAX_ERRNO) if kind == "errno" else data)


def strictest(values: Iterable[int]) -> int:
    """The answer that counts of those of a task's filters, the newest first.

    kernel/seccomp.c: seccomp_run_filters. Of equals the newest one's data is used.
    """
    found = None
    for value in values:
        if found is None or _rank(value) < _rank(found):
            found = value
    if found is None:
        raise ValueError("no filter, no answer")
    return found


def _rank(value: int) -> int:
    """Signed, as the kernel compares: KILL_PROCESS is the smallest."""
    action = value & _ACTION
    return action - (1 << 32) if action & KILL_PROCESS else action
