"""What the kernel's raw tracepoints say of a process: probe.c, loaded by bcc. Nothing of
sbtrace's own program takes part, only its way to compile without kernel headers."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.collectors.kernel.program.compile import flags
from tracer.collectors.kernel.program.offsets import kernel_values
from tracer.collectors.kernel.program.variant import variant
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENTER, EXIT, SIGSYS, END = 1, 2, 3, 4
_EVENT = struct.Struct("=QQqq32s")
_SIGINFO = struct.Struct("=iii4xQiI")


@dataclass(frozen=True, slots=True)
class Event:
    """struct event of probe.c."""

    kind: int
    tid: int
    id: int
    """Number of the call; at an exit, what the registers hold of it."""
    ret: int
    siginfo: bytes


@dataclass(frozen=True, slots=True)
class Seccomp:
    """siginfo_t of a SIGSYS, see sigaction(2)."""

    signo: int
    errno: int
    code: int
    call_address: int
    nr: int
    arch: int

    @classmethod
    def of(cls, event: Event) -> Seccomp:
        return cls(*_SIGINFO.unpack(event.siginfo))


@dataclass(frozen=True)
class Watched:
    """A process that was watched from before its execve to its end."""

    pid: int
    status: int
    """As wait(2) gives it."""
    events: tuple[Event, ...]

    def of(self, kind: int, number: int | None = None) -> list[Event]:
        """The events of a kind, in order; with ``number``, of that syscall."""
        return [e for e in self.events if e.kind == kind and number in (None, e.id)]

    def by_task(self) -> Iterator[tuple[int, list[Event]]]:
        """Each tid with its events, in order of their first one."""
        for tid in dict.fromkeys(event.tid for event in self.events):
            yield tid, [event for event in self.events if event.tid == tid]


def loaded(name: str, **macros: int) -> Any:
    """A program beside this module, compiled with these macros: bcc's BPF."""
    from bcc import BPF

    os.environ["BCC_KERNEL_SOURCE"] = str(bpf_dir())
    try:
        text = Path(__file__).with_name(name).read_text()
        options = [*flags(variant(), kernel_values()), *(f"-D{m}={v}" for m, v in macros.items())]
        return BPF(text=text, cflags=options)
    finally:
        del os.environ["BCC_KERNEL_SOURCE"]


class KernelEvents:
    """The loaded probe."""

    def __init__(self) -> None:
        self._bpf = loaded("probe.c")
        self._events: list[Event] = []
        self._bpf["events"].open_ring_buffer(self._take)

    def _take(self, _context: Any, data: int, _size: int) -> None:
        import ctypes

        self._events.append(Event(*_EVENT.unpack(ctypes.string_at(data, _EVENT.size))))

    def watch(self, command: Sequence[str | Path]) -> Watched:
        """Run a command; what it prints is thrown away."""
        words = [str(word) for word in command]
        ready, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                os.close(go)
                os.read(ready, 1)
                os.execv(words[0], words)  # noqa: S606 - no shell is started
            finally:
                os._exit(99)
        followed = self._bpf["followed"]
        followed[followed.Key(pid)] = followed.Leaf(1)
        os.close(ready)
        os.close(go)
        _, status = os.waitpid(pid, 0)
        self._bpf.ring_buffer_consume()
        events, self._events = tuple(self._events), []
        followed.clear()
        return Watched(pid, status, events)

    def close(self) -> None:
        self._bpf.cleanup()
