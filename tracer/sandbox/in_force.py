"""The seccomp filters of a running task, read from the kernel.

PTRACE_SECCOMP_GET_FILTER gives them as they were loaded, and wants the task stopped: it is, for
well under a millisecond, and goes on as it was, in a group stop too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer import linux
from tracer.errors import FilterError
from tracer.profile import machine, once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.profile.machine import Program

_DETACH, _SEIZE, _INTERRUPT, _GET_FILTER = 17, 0x4206, 0x4207, 0x420C  # linux/ptrace.h
_EVENT_STOP = 128
_WALL = 0x4000_0000
_PATIENCE_S = 2.0
_INSTRUCTION_BYTES = 8
MODES = {0: "disabled", 1: "strict", 2: "filter"}


class InForce(NamedTuple):
    """What seccomp keeps a task from."""

    pid: int
    comm: str
    mode: str
    """``disabled``, ``strict`` or ``filter``."""
    no_new_privs: bool
    filters: tuple[Program, ...]
    """The oldest first. All of them are asked; the strictest answer counts. Of ``exec = "once"``
    they are without the secret, which nobody is shown: see ``tracer.profile.once``."""
    stopped_ns: int | None
    """For how long the task was stopped; None if it was not."""
    exec_once: bool = False
    """Whether one of them is of ``exec = "once"``: no execve is let through any more."""


def read(pid: int) -> InForce:
    """The filters of one task; a number of a thread will do. Takes CAP_SYS_ADMIN if it has any.

    Raises FilterError, naming the task, where there is none, where it cannot be stopped, or
    where sbtrace may not.
    """
    status = _status(pid)
    mode = MODES.get(int(status.get("Seccomp", "0")), "disabled")
    loaded, stopped_ns = _stopped_and_read(pid) if mode == "filter" else ((), None)
    filters = tuple(once.without_secret(each) or each for each in loaded)
    return InForce(
        pid,
        os.fsdecode(_comm(pid)),
        mode,
        status.get("NoNewPrivs") == "1",
        filters,
        stopped_ns,
        exec_once=filters != loaded,
    )


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        raise FilterError(f"there is no process {pid}") from None
    except PermissionError:
        raise FilterError(f"/proc/{pid} may not be read: ask as root") from None
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _comm(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n")
    return b""


def _stopped_and_read(pid: int) -> tuple[tuple[Program, ...], int]:
    with _stopped(pid) as since_ns:
        found = list(_each(pid))
    stopped_ns = time.monotonic_ns() - since_ns
    return tuple(map(machine.program, found)), stopped_ns  # looked at once the task goes on


@contextmanager
def _stopped(pid: int) -> Iterator[int]:
    """Have the task stand still within the block; gives the instant at which it was asked to."""
    _ask(pid, _SEIZE)
    deliver = 0
    try:
        since_ns = time.monotonic_ns()
        _ask(pid, _INTERRUPT)
        deliver = _await_stop(pid)
        yield since_ns
    finally:
        with suppress(OSError):
            linux.ptrace(_DETACH, pid, 0, deliver)


def _await_stop(pid: int) -> int:
    """Wait for the stop; return the signal that it must be given when it goes on, or 0."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG | _WALL)
        if found == 0:
            time.sleep(0.0002)
        elif not os.WIFSTOPPED(status):
            raise FilterError(f"process {pid} has just ended")
        else:
            return 0 if status >> 16 == _EVENT_STOP else os.WSTOPSIG(status)
    raise FilterError(f"process {pid} does not stop: it waits in the kernel; ask again later")


def _each(pid: int) -> Iterator[bytes]:
    """Each filter, the oldest first: so the kernel numbers them."""
    room = ctypes.create_string_buffer(machine.MOST_INSTRUCTIONS * _INSTRUCTION_BYTES)
    number = 0
    while (count := _get(pid, number, room)) is not None:
        yield room.raw[: count * _INSTRUCTION_BYTES]
        number += 1


def _get(pid: int, number: int, room: ctypes.Array[ctypes.c_char]) -> int | None:
    """How many instructions the filter has; None if there is none of that number."""
    try:
        return linux.ptrace(_GET_FILTER, pid, number, ctypes.addressof(room))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise FilterError(f"the filters of process {pid} cannot be read: {_why(error)}") from None


def _ask(pid: int, request: int) -> None:
    try:
        linux.ptrace(request, pid, 0, 0)
    except OSError as error:
        raise FilterError(f"process {pid} cannot be stopped: {_why(error)}") from None


def _why(error: OSError) -> str:
    """The reason, and what to do about it."""
    return {
        errno.EPERM: "it is traced already, by a debugger or strace, or you are not root",
        errno.EACCES: "that takes CAP_SYS_ADMIN, and no seccomp filter on sbtrace itself",
        errno.ESRCH: "it has ended",
        errno.EIO: "this kernel gives no filters out (CONFIG_CHECKPOINT_RESTORE)",
        errno.EMEDIUMTYPE: "it has one that is no classic BPF",
    }.get(error.errno or 0, os.strerror(error.errno or 0))
