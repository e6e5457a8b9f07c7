"""sbtrace started and left running: its three processes, and who of the target is alive."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE_S = 30


def until(true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that another process brings about and tells nobody."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, f"not within {patience_s} s: {what}"
        time.sleep(0.005)


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def state(pid: int) -> str | None:
    """``R``, ``S``, ``T``… of /proc/PID/stat; None if there is no such process, or a zombie."""
    with suppress(OSError):
        found = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
        return found if found not in "ZX" else None
    return None


def waits_in(pid: int) -> int | None:
    """Number of the call that a process sleeps in; None while it runs: proc_pid_syscall(5)."""
    with suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/syscall").read_text().split()[0])
    return None


def marked(mark: str) -> list[int]:
    """Pids of living processes that have ``mark`` in their environment: a whole target."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes() and state(int(entry.name)):
                    found.append(int(entry.name))
    return found


@dataclass
class Started:
    """One `sbtrace run` that goes on, its target known by an environment variable."""

    process: subprocess.Popen[str]
    mark: str

    @property
    def front(self) -> int:
        return self.process.pid

    @property
    def guard(self) -> int:
        (found,) = children(self.front)
        return found

    @property
    def supervisor(self) -> int:
        (found,) = children(self.guard)
        return found

    def target(self) -> list[int]:
        """Pids of the target, by the mark that its command gave to it."""
        return marked(self.mark)

    def bpf_programs(self) -> set[int]:
        """Ids of the BPF programs that any process of sbtrace holds; none if there is none."""
        ours = [self.front, *descendants(self.front)]
        return {number for pid in ours for number in programs_of(pid)}

    def line(self) -> str:
        """The next line of the target's stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@contextmanager
def started(
    db: Path,
    script: str,
    options: Sequence[str | Path] = ("--trace", "none"),
    **how: object,
) -> Iterator[Started]:
    """Start ``sh -c script`` under sbtrace; whatever of it is left at the end is killed.

    The script marks itself: its processes have MARK=… in their environment, sbtrace has not.
    """
    mark = f"MARK={secrets.token_hex(8)}"
    command = [*_sbtrace(), "run", "-q", "--db", str(db), *map(str, options), "--"]
    process = subprocess.Popen(
        [*command, "env", mark, "sh", "-c", script],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        **how,  # type: ignore[call-overload]  # any of Popen's
    )
    try:
        yield Started(process, mark)
    finally:
        process.kill()
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()


def _sbtrace() -> list[str]:
    """The command of this checkout."""
    return [str(Path(sys.executable).parent / "sbtrace")]


def descendants(pid: int) -> list[int]:
    """Pids of all that descend from a process, as far as they live."""
    found = children(pid)
    return [*found, *(below for child in found for below in descendants(child))]


def programs_of(pid: int) -> set[int]:
    """Ids of the BPF programs of a process's descriptors: proc_pid_fdinfo(5).

    A descriptor that is closed while one looks has no file any more, nor has a dead process.
    """
    found: set[int] = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
            with suppress(OSError):
                lines = entry.read_text().splitlines()
                found |= {int(line.split()[1]) for line in lines if line.startswith("prog_id:")}
    return found


def programs_alive() -> set[int]:
    """Ids of all BPF programs that the kernel holds: BPF_PROG_GET_NEXT_ID of bpf(2)."""
    libbpf = ctypes.CDLL("libbpf.so.1")
    found: set[int] = set()
    number = ctypes.c_uint32()
    while libbpf.bpf_prog_get_next_id(number, ctypes.byref(number)) == 0:
        found.add(number.value)
    return found
