"""The tools that are compared, each as it is used to get its figures.

Every tool gets the command line that its own documentation gives for the job. Two of them
need tracefs, which may not be mounted: ``private_mounts`` mounts it for the bench alone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import counted, measure
from tests.bench.counted import COUNT, LATENCY
from tracer.collectors.kernel.program import cache
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
MNT_DETACH = 2
TRACEFS = "/sys/kernel/tracing"
BPF = bpf_dir()
EMPTY_PROGRAM = bytes.fromhex("b700000000000000 9500000000000000")
"""``return 0`` in BPF instructions: what clang makes of an empty program."""


def nothing_attached(_folder: Path) -> AbstractContextManager[None]:
    """The command line says it all."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Tool:
    """One way to observe a command."""

    key: str
    title: str
    wrap: Callable[[Path, Sequence[str]], list[str]]
    """(folder for its files, the command) -> the command line that observes it."""
    needs: str | None = None
    """The program it takes; None if it is always there."""
    attached: Callable[[Path], AbstractContextManager[None]] = nothing_attached
    """Given the folder: what is in force around the command where its line is not enough."""
    slow: bool = False
    """Costs microseconds a call, so that fewer calls and fewer rounds are enough."""
    getppids: Callable[[Path], int] | None = None
    """Given the folder: how many calls of getppid it counted; None if it counts none."""


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
def empty_tracepoints(_folder: Path) -> Iterator[None]:
    """Attach a program that does nothing to sys_enter and sys_exit: the floor for all BPF."""
    from tracer.collectors.kernel.program import libbpf

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


@contextmanager
def syscount(folder: Path) -> Iterator[None]:
    """Run bcc's syscount over the whole machine: it cannot start a command itself."""
    command = ["syscount-bpfcc", "-L", "-T", "999"]
    headers = [BPF / "include", f"/usr/include/{platform.machine()}-linux-gnu", "/usr/include"]
    # It knows no option for headers: bcc takes the first from here, clang the others.
    env = {"BCC_KERNEL_SOURCE": str(BPF), "CPATH": ":".join(map(str, headers))}
    with (folder / "syscount.out").open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **env, "PYTHONUNBUFFERED": "1"},
        )
        with process:
            assert process.stdout is not None
            if b"Tracing" not in process.stdout.readline():
                raise RuntimeError("syscount: ended before it was attached")
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                output.write(process.stdout.read())


NATIVE = Tool("native", "nothing", _as_it_is)
FLOOR = Tool("floor", "two empty raw tracepoints", _as_it_is, attached=empty_tracepoints)
SBTRACE = Tool("sbtrace", "sbtrace run", _sbtrace, getppids=counted.by_sbtrace)
BPFTRACE_COUNT = Tool(
    "bpftrace", "bpftrace, count", _bpftrace(COUNT), "bpftrace", getppids=counted.by_bpftrace
)
BPFTRACE_LATENCY = Tool(
    "latency",
    "bpftrace, count + latency",
    _bpftrace(LATENCY),
    "bpftrace",
    getppids=counted.by_bpftrace,
)
SYSCOUNT = Tool(
    "syscount",
    "bcc's syscount -L",
    _as_it_is,
    "syscount-bpfcc",
    attached=syscount,
    getppids=counted.by_syscount,
)
PERF = Tool("perf", "perf trace -s", _perf, "perf", slow=True, getppids=counted.by_perf)
STRACE = Tool("strace", "strace -f -c", _strace, "strace", slow=True, getppids=counted.by_strace)
TOOLS = (NATIVE, FLOOR, SBTRACE, BPFTRACE_COUNT, BPFTRACE_LATENCY, SYSCOUNT, PERF, STRACE)


def available(tools: Iterable[Tool]) -> tuple[list[Tool], dict[str, str]]:
    """Return the ``tools`` that work here, and title -> why of the others."""
    works, missing = [], {}
    for tool in tools:
        if tool.needs is not None and shutil.which(tool.needs) is None:
            missing[tool.title] = f"{tool.needs} is not installed"
        elif why := _trouble(tool):
            missing[tool.title] = why
        else:
            works.append(tool)
    return works, missing


def _trouble(tool: Tool) -> str | None:
    """Try the tool on /bin/true; return what is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            measure.under(tool, Path(folder), ["/bin/true"])
        except (OSError, RuntimeError) as error:
            return str(error)
    return None


def private_mounts() -> None:
    """Give this process and its children tracefs and an empty cache that nobody else sees.

    Raises OSError without the right to.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.unshare(CLONE_NEWNS), "unshare")
    _checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    if not Path(TRACEFS, "README").exists():
        _checked(libc.mount(b"tracefs", TRACEFS.encode(), b"tracefs", 0, None), TRACEFS)
    cache.FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = os.fsencode(cache.FOLDER)
    _checked(libc.mount(b"tmpfs", where, b"tmpfs", 0, b"mode=0700"), str(cache.FOLDER))


@contextmanager
def hidden(folder: Path) -> Iterator[None]:
    """Let ``folder`` look empty within the mounts of ``private_mounts``."""
    if not folder.is_dir():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    where = os.fsencode(folder)
    _checked(libc.mount(b"tmpfs", where, b"tmpfs", 0, b"mode=0755"), str(folder))
    try:
        yield
    finally:
        _checked(libc.umount2(where, MNT_DETACH), str(folder))


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
