"""A miniature run: fork, sample, take the last account, reap, as the session does."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import select
import struct
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracer.collectors.procfs import Baseline, ProcessTree, ProcfsCollector, UsedBefore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer.model import Loss, Sample

PR_SET_CHILD_SUBREAPER = 36
INTERVAL_NS = 20_000_000
_USE = struct.Struct("=5q")
"""A UsedBefore, through memory that launcher and test share: a pipe would count as a write."""


@dataclass(frozen=True)
class Observed:
    """What the collector said of one target."""

    baseline: Baseline
    samples: list[Sample]
    """All rows, the zombies' last ones included."""
    losses: list[Loss]
    reaped: dict[int, tuple[int, resource.struct_rusage]]
    """Wait status and rusage of every process that was reaped here, by pid."""
    root_pid: int

    @property
    def root_status(self) -> int:
        """Wait status of the command itself."""
        return self.reaped[self.root_pid][0]


def compile_c(source: Path, folder: Path, *flags: str) -> Path:
    """Compile one C file of the tests; the program's path."""
    program = folder / source.stem
    subprocess.run(["gcc", "-O1", "-Wall", *flags, "-o", program, source, "-pthread"], check=True)
    return program


def become_subreaper(*, wanted: bool = True) -> None:
    """Have orphans among the descendants of this process become its children, or no longer.

    Left on, it would make orphans of other tests children of this process, and so part of
    the next target.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def observe(
    argv: Sequence[str | Path],
    *,
    interval_ns: int = INTERVAL_NS,
    says_its_use: bool = False,
) -> Observed:
    """Run a command to the end of its last process, as the session does."""
    become_subreaper()
    ready_r, ready_w = os.pipe()
    exec_r, exec_w = os.pipe()
    use = mmap.mmap(-1, _USE.size)
    pid = os.fork()
    if pid == 0:
        _launch(ready_r, ready_w, [os.fspath(a) for a in argv], use)
    os.close(exec_w)
    os.close(ready_r)
    collector = ProcfsCollector(ProcessTree(os.getpid(), (pid,)), time.monotonic_ns(), interval_ns)
    os.close(ready_w)
    select.select([exec_r], [], [])  # closed on exec: readable once execve succeeded
    os.close(exec_r)
    if says_its_use:
        collector.take_off(UsedBefore(*_USE.unpack(use)))
    try:
        return _supervise(pid, collector, interval_ns)
    finally:
        become_subreaper(wanted=False)


def _launch(ready_r: int, ready_w: int, argv: list[str], use: mmap.mmap) -> None:
    try:
        os.close(ready_w)
        # Waiting by poll, not by read: a read would be in the command's own account.
        select.select([ready_r], [], [])
        used = resource.getrusage(resource.RUSAGE_SELF)
        _USE.pack_into(
            use,
            0,
            round(used.ru_utime * 1e9),
            round(used.ru_stime * 1e9),
            used.ru_minflt,
            used.ru_majflt,
            used.ru_maxrss * 1024,
        )
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point
    finally:
        os._exit(127)


def _supervise(root: int, collector: ProcfsCollector, interval_ns: int) -> Observed:
    samples = collector.sample()
    reaped: dict[int, tuple[int, resource.struct_rusage]] = {}
    pidfd = os.pidfd_open(root)
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            break
        if ended is None:
            # A pidfd turns readable at the end of the root; orphans are looked for each tick.
            live = [] if root in reaped else [pidfd]
            if not select.select(live, [], [], interval_ns / 1e9)[0]:
                samples += collector.sample()
            continue
        last = collector.final(ended.si_pid)
        samples += [last] if last else []
        pid, status, rusage = os.wait4(ended.si_pid, 0)
        collector.reaped(pid, status, rusage)
        reaped[pid] = (status, rusage)
    os.close(pidfd)
    return Observed(collector.totals(), samples, collector.losses(), reaped, root)
