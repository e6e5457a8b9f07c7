"""The tools that are compared, each as it is used to get its figures.

Every tool gets the command line that its own documentation gives for the job. Two of them
need tracefs, which may not be mounted: ``private_tracefs`` mounts it for the bench alone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
EMPTY_PROGRAM = bytes.fromhex("b700000000000000 9500000000000000")
"""``return 0`` in BPF instructions: what clang makes of an empty program."""

COUNT = "tracepoint:raw_syscalls:sys_enter /pid == cpid/ { @[args->id] = count(); }"
LATENCY = (
    "tracepoint:raw_syscalls:sys_enter /pid == cpid/ { @start[tid] = nsecs; }"
    " tracepoint:raw_syscalls:sys_exit /@start[tid]/ {"
    " @calls[args->id] = count(); @ns[args->id] = sum(nsecs - @start[tid]);"
    " delete(@start[tid]); }"
)


@dataclass(frozen=True, slots=True)
class Tool:
    """One way to observe a command."""

    key: str
    title: str
    wrap: Callable[[Path, Sequence[str]], list[str]]
    """(folder for its files, the command) -> the command line that observes it."""
    needs: str | None = None
    """The program it takes; None if it is always there."""
    attached: Callable[[], AbstractContextManager[None]] = nullcontext
    """What is in force around the command, where that is not a command line's doing."""
    slow: bool = False
    """Costs microseconds a call, so that fewer calls are enough."""

    @property
    def missing(self) -> bool:
        return self.needs is not None and shutil.which(self.needs) is None


def _as_it_is(_folder: Path, command: Sequence[str]) -> list[str]:
    return [*command]


def _sbtrace(folder: Path, command: Sequence[str]) -> list[str]:
    program = os.fspath(Path(sys.executable).parent / "sbtrace")
    database = os.fspath(folder / "bench.duckdb")
    record = os.fspath(folder / "sbtrace.out")
    options = ["--trace", "full", "--db", database, "--json", "-o", record]
    return [program, "run", *options, "--", *command]


def _bpftrace(script: str) -> Callable[[Path, Sequence[str]], list[str]]:
    def wrap(folder: Path, command: Sequence[str]) -> list[str]:
        output = os.fspath(folder / "bpftrace.out")
        # -c splits at blanks: no word of our commands has one.
        return ["bpftrace", "-f", "json", "-o", output, "-e", script, "-c", " ".join(command)]

    return wrap


def _perf(folder: Path, command: Sequence[str]) -> list[str]:
    return ["perf", "trace", "-s", "-o", os.fspath(folder / "perf.out"), "--", *command]


def _strace(folder: Path, command: Sequence[str]) -> list[str]:
    return ["strace", "-f", "-c", "-o", os.fspath(folder / "strace.out"), "--", *command]


@contextmanager
def empty_tracepoints() -> Iterator[None]:
    """Attach a program that does nothing to sys_enter and sys_exit: the floor for all BPF."""
    from tracer.collectors.kernel import libbpf

    opened = []
    try:
        for name in ("sys_enter", "sys_exit"):
            kind = libbpf.PROG_TYPE_RAW_TRACEPOINT
            opened.append(program := libbpf.load_program(kind, "empty", EMPTY_PROGRAM))
            opened.append(libbpf.attach_raw_tracepoint(name, program))
        yield
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)


NATIVE = Tool("native", "nothing", _as_it_is)
FLOOR = Tool("floor", "two empty raw tracepoints", _as_it_is, attached=empty_tracepoints)
SBTRACE = Tool("sbtrace", "sbtrace run", _sbtrace)
BPFTRACE_COUNT = Tool("bpftrace_count", "bpftrace, count", _bpftrace(COUNT), "bpftrace")
BPFTRACE_LATENCY = Tool(
    "bpftrace_latency", "bpftrace, count + latency", _bpftrace(LATENCY), "bpftrace"
)
PERF = Tool("perf", "perf trace -s", _perf, "perf", slow=True)
STRACE = Tool("strace", "strace -f -c", _strace, "strace", slow=True)
TOOLS = (NATIVE, FLOOR, SBTRACE, BPFTRACE_COUNT, BPFTRACE_LATENCY, PERF, STRACE)


def private_tracefs() -> None:
    """Give this process and its children a mount namespace with tracefs, and tell no other.

    Raises OSError without the right to.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(CLONE_NEWNS), "unshare")
    _checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    where = "/sys/kernel/tracing"
    if not Path(where, "README").exists():
        _checked(libc.mount(b"tracefs", where.encode(), b"tracefs", 0, None), where)


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
