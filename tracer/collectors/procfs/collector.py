"""The baseline collector: samples the target while it runs, adds up what it leaves behind.

Each process's own account passes, when it is waited for, to the process that waited. So
the accounts of those that sbtrace itself reaps hold the whole target, nothing twice.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from tracer.collectors.procfs.accounts import IoAccounts
from tracer.collectors.procfs.cpu import CpuMeter, When
from tracer.collectors.procfs.exits import SMALL, ExitPeaks
from tracer.collectors.procfs.files import (
    Io,
    Stat,
    Status,
    cpu_time,
    read_stat,
    read_status,
)
from tracer.collectors.procfs.records import Baseline, BaselineFindings, UsedBefore
from tracer.model import Loss, Sample

if TYPE_CHECKING:
    import resource
    from collections.abc import Mapping, Sequence

    from tracer.collectors.interface import Processes

_LAUNCHER_GROWTH_BYTES = 12 * 1024 * 1024
"""What the forked launcher may still add to its memory between its enrolment and execve,
mostly pages of files that it maps in again: measured 8 MiB for a bare Python 3.11."""
_LAUNCHER_LAST_STEP_BYTES = 512 * 1024
"""What execve itself may add to the launcher's peak, and the batching of the counters."""


class _Seen(NamedTuple):
    """What the last sample said of a process that was alive then."""

    stat: Stat
    ignores_sigchld: bool
    tree_cpu_ns: int
    """CPU of the process and of all descendants that it has waited for."""
    cpu_read: When


class _Span:
    """Something that happened ``count`` times between two instants of the run."""

    def __init__(self) -> None:
        self.count = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None

    def add(self, at_ns: int) -> None:
        self.count += 1
        self.first_ns = at_ns if self.first_ns is None else self.first_ns
        self.last_ns = at_ns


class ProcfsCollector:
    """Samples of /proc and the accounts of reaped processes, for one run.

    Use: make it while the launcher waits before execve, and then as every ``Collector``. For
    each child that ``waitid(..., WNOWAIT)`` reports, ``final(pid)``, then reap it with
    ``os.wait4`` and hand the result to ``reaped``. One thread only may call it.
    """

    descriptors: tuple[int, ...] = ()
    """What /proc tells has to be asked for."""

    def __init__(self, target: Processes, start_monotonic_ns: int, interval_ns: int) -> None:
        self._start_ns = start_monotonic_ns
        self._interval_ns = interval_ns
        self._target = target
        self._cpu = CpuMeter(interval_ns)
        self._exits = ExitPeaks(target.top_pid, target.first)
        self._accounts = IoAccounts(target.first)
        self._seen: dict[int, _Seen] = {}
        self._last_sample_ns: int | None = None
        self._last_reaped_ns: int | None = None
        self._late, self._unaccounted, self._unread = _Span(), _Span(), _Span()
        self._untold: dict[str, _Span] = {}
        self._small = _Span()
        self._peak_vm: int | None = None
        self._peak_rss: int | None = None
        self._minor = self._major = self._user_ns = self._system_ns = self._sigsys = 0
        self._reads = self._writes = 0
        self._reaped_rss = 0
        # ru_maxrss survives execve: what the launcher held is in the figure of the command.
        held = max((_peak_rss(pid) for pid in target.first), default=0)
        self._before = UsedBefore(0, 0, 0, 0, held)
        self._rss_before = held + _LAUNCHER_GROWTH_BYTES

    def take_off(self, use: UsedBefore) -> None:
        """Take off what the accounts held before the run.

        Without it, a launcher's use stays in the figures: about 4 ms of CPU, 500 minor faults.
        """
        self._before = use
        self._rss_before = use.peak_rss_bytes + _LAUNCHER_LAST_STEP_BYTES
        self._cpu.begin(use.user_ns + use.system_ns)

    def enrol(self, pidfd: int) -> None:
        """Do nothing: the processes are found by their parents."""

    def start(self, start_ns: int) -> None:
        """Set the instant that the run counts from, which is known later than the rest."""
        self._start_ns = start_ns

    def poll(self) -> None:
        """Do nothing: nothing comes in between two samples."""

    def calls_so_far(self) -> None:
        """Return None: /proc counts reads and writes alone."""

    def settled(self) -> Mapping[str, Sequence[NamedTuple]]:
        """Return nothing: samples are kept as they are taken."""
        return {}

    def snapshot(self) -> BaselineFindings:
        """Return the figures so far, and what is missing from them."""
        return BaselineFindings(self.totals(), tuple(self.losses()))

    def stop(self) -> BaselineFindings:
        """Return the final figures; there is nothing to be stopped."""
        return self.snapshot()

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def sample(self) -> list[Sample]:
        """One row for each process of the target that is there now, parents first.

        A process that ends between being listed and being read has no row; its figures
        are not lost, they come with whoever reaps it.
        """
        now = self._now()
        self._note_late(now)
        samples: list[Sample] = []
        alive: dict[int, _Seen] = {}
        for pid in self._target.pids():
            row = self._read(pid, now)
            if row is not None:
                samples.append(row[0])
                alive[pid] = row[1]
        self._note_vanished(alive, now)
        self._seen = alive
        self._exits.drain()
        self._exits.know(alive)
        self._tick(now, list(alive.values()))
        self._last_sample_ns = now
        return samples

    def _tick(self, now: int, alive: list[_Seen]) -> None:
        """``alive``: in the order in which they were read."""
        when = When(alive[0].cpu_read.since_ns, alive[-1].cpu_read.until_ns) if alive else None
        self._cpu.tick(when or When(now, now), sum(one.tree_cpu_ns for one in alive))

    def final(self, pid: int) -> Sample | None:
        """The last row of a zombie that sbtrace is about to reap; None if it is gone.

        Call it once for each child between ``waitid(..., WNOWAIT)`` and the reaping: it
        takes the counts of reads and writes, which exist nowhere after. The memory figures
        of a zombie are None.
        """
        now = self._now()
        row = self._read(pid, now)
        if row is None or row[0].read_syscalls is None or row[0].write_syscalls is None:
            self._unread.add(now)
            return row[0] if row else None
        self._reads += row[0].read_syscalls
        self._writes += row[0].write_syscalls
        return row[0]

    def reaped(self, pid: int, status: int, rusage: resource.struct_rusage) -> None:
        """Add the account of a process that sbtrace has reaped, as ``os.wait4`` gave it."""
        user_ns, system_ns = round(rusage.ru_utime * 1e9), round(rusage.ru_stime * 1e9)
        self._user_ns += user_ns
        self._system_ns += system_ns
        self._minor += rusage.ru_minflt
        self._major += rusage.ru_majflt
        self._reaped_rss = max(self._reaped_rss, rusage.ru_maxrss * 1024)
        self._sigsys += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS
        self._exits.drain()
        if (cause := self._exits.untold) is not None:
            self._untold.setdefault(cause, _Span()).add(self._now())
        elif self._exits.is_small:
            self._small.add(self._now())
        self._accounts.forget(pid)
        self._seen.pop(pid, None)
        self._cpu.add_reaped(pid, user_ns + system_ns)
        self._last_reaped_ns = self._now()

    def totals(self) -> Baseline:
        """The figures of all processes that were reaped so far; once the target is gone, of all.

        ``read_syscalls`` and ``write_syscalls`` are None if one account could not be read, a
        peak of memory if the kernel did not tell that of each process at its end: what a
        sample saw may have been surpassed since.
        """
        known = self._unread.count == 0
        peak_vm = _larger(self._peak_vm, self._exits.vm_bytes)
        return Baseline(
            read_syscalls=self._reads if known else None,
            write_syscalls=self._writes if known else None,
            minor_faults=max(self._minor - self._before.minor_faults, 0),
            major_faults=max(self._major - self._before.major_faults, 0),
            max_rss_bytes=self._max_rss(),
            peak_vm_bytes=None if self._untold else peak_vm,
            peak_cpu_percent=self._cpu.peak(self._last_reaped_ns),
            user_ns=max(self._user_ns - self._before.user_ns, 0),
            system_ns=max(self._system_ns - self._before.system_ns, 0),
            sigsys=self._sigsys,
        )

    def losses(self) -> list[Loss]:
        """What the baseline knows it missed; the kinds are in docs/counting.md."""
        spans = {
            "late_sample": self._late,
            "unaccounted_child": self._unaccounted,
            "unread_account": self._unread,
            **self._untold,
            SMALL: self._small if not self._untold and self._max_rss() is None else _Span(),
        }
        return [
            Loss("procfs", kind, span.count, span.first_ns, span.last_ns)
            for kind, span in spans.items()
            if span.count
        ]

    def _now(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def _read(self, pid: int, now: int) -> tuple[Sample, _Seen] | None:
        stat, status, io = read_stat(pid), read_status(pid), self._accounts.read(pid)
        if stat is None or status is None:
            return None
        self._peak_vm = _larger(self._peak_vm, status.peak_vm_bytes)
        self._peak_rss = _larger(self._peak_rss, status.peak_rss_bytes)
        before = self._now()
        cpu_ns = cpu_time(pid)
        when = When(before, self._now())
        percent = self._cpu.process_percent(pid, stat.start_ticks, cpu_ns, when)
        tree_ns = stat.waited_ns + (stat.user_ns + stat.system_ns if cpu_ns is None else cpu_ns)
        seen = _Seen(stat, status.ignores_sigchld, tree_ns, when)
        return _row(now, pid, stat, status, io, percent), seen

    def _note_late(self, now: int) -> None:
        last = self._last_sample_ns
        if last is not None and now - last > 2 * self._interval_ns:
            self._late.add(now)

    def _note_vanished(self, alive: dict[int, _Seen], now: int) -> None:
        """Count those that the kernel reaped by itself: their accounts went to nobody.

        A process that is gone, and that sbtrace did not reap, was reaped by its parent; or by
        the kernel, because the parent ignores SIGCHLD (include/linux/sched/signal.h).
        """
        for pid, seen in self._seen.items():
            current = alive.get(pid)
            if current is not None and current.stat.start_ticks == seen.stat.start_ticks:
                continue
            self._cpu.forget(pid)
            self._accounts.forget(pid)
            parent = self._seen.get(seen.stat.ppid)
            if parent is not None and parent.ignores_sigchld:
                self._unaccounted.add(now)

    def _max_rss(self) -> int | None:
        """Largest resident set of a process of the target, the launcher's own left out.

        ``ru_maxrss`` also knows programs that an execve ended, and needs no rights; no process
        can have had more.
        """
        reaped = self._reaped_rss if self._reaped_rss > self._rss_before else None
        if reaped is None and self._untold:
            return None
        return _larger(_larger(self._peak_rss, self._exits.rss_bytes), reaped) or None


def _peak_rss(pid: int) -> int:
    status = read_status(pid)
    return (status.peak_rss_bytes or 0) if status else 0


def _larger(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other)


def _row(
    at_ns: int, pid: int, stat: Stat, status: Status, io: Io | None, cpu_percent: float | None
) -> Sample:
    return Sample(
        at_ns=at_ns,
        pid=pid,
        ppid=stat.ppid,
        comm=stat.comm,
        user_ns=stat.user_ns,
        system_ns=stat.system_ns,
        cpu_percent=cpu_percent,
        rss_bytes=status.rss_bytes,
        vm_bytes=status.vm_bytes,
        peak_vm_bytes=status.peak_vm_bytes,
        minor_faults=stat.minor_faults,
        major_faults=stat.major_faults,
        read_syscalls=io.read_syscalls if io else None,
        write_syscalls=io.write_syscalls if io else None,
        read_chars=io.read_chars if io else None,
        write_chars=io.write_chars if io else None,
        read_bytes=io.read_bytes if io else None,
        write_bytes=io.write_bytes if io else None,
        threads=stat.threads,
    )
