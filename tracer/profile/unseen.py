"""Calls that a program needs although no run shows them, each with its reason."""

from __future__ import annotations

from typing import NamedTuple


class Unseen(NamedTuple):
    """A call to allow unseen."""

    name: str
    reason: str


_VDSO = "by the vDSO here; a call with another clock source"
START = (Unseen("execve", "starts the command: the filter is loaded before it"),)
"""What is needed where the filter is there before the command."""
RUNTIME = (
    Unseen("exit_group", "ends the program"),
    Unseen("exit", "ends a thread"),
    Unseen("rt_sigreturn", "ends every signal handler; none ran"),
    Unseen("restart_syscall", "goes on with a sleep or poll after SIGSTOP and SIGCONT"),
    Unseen("clock_gettime", _VDSO),
    Unseen("clock_getres", _VDSO),
    Unseen("gettimeofday", _VDSO),
    Unseen("time", _VDSO),
    Unseen("getcpu", _VDSO),
)
"""What the kernel, the vDSO and the C library ask for."""
CONTAINER = (
    Unseen("openat2", "runc from 1.3 on, after the filter is loaded"),
    Unseen("statx", "runc from 1.3 on, after the filter is loaded"),
)
"""What a container runtime itself calls under the filter, before the command is executed."""
NO_NAMESPACES = ((0, 0x7E020000, 0),)
"""(argument, mask, value): a clone into no new namespace."""
FALLBACKS = {
    "clone3": Unseen("clone", "what libc takes after the ENOSYS for clone3"),
}
"""By a call that is answered with ENOSYS: what is made in its place."""
