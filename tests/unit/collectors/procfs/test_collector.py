"""What the baseline makes of accounts and samples that are given to it."""

from __future__ import annotations

import errno
import os
import resource
import signal
from typing import TYPE_CHECKING, NoReturn

import pytest

from tracer.collectors.procfs import ProcessTree, ProcfsCollector, UsedBefore, collector, exits
from tracer.collectors.procfs.files import Status

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
LAUNCHER_RSS = 20 * MIB
REAPED = 4_000_017
"""A pid that no process has: above the kernel's largest, 2**22 - 1, it would be."""


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> ProcfsCollector:
    """A collector that the kernel tells nothing at a process's end, as of an ordinary user."""

    def refused() -> NoReturn:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "geteuid", lambda: 1)
    monkeypatch.setattr(exits, "_listen", refused)
    made = ProcfsCollector(ProcessTree(os.getpid()), 0, 1_000_000)
    made.take_off(UsedBefore(5_000_000, 7_000_000, 3, 2, LAUNCHER_RSS))
    return made


def usage(
    minor: int = 0, major: int = 0, rss_bytes: int = 0, user_s: float = 0, system_s: float = 0
) -> resource.struct_rusage:
    fields = [user_s, system_s, rss_bytes // 1024, 0, 0, 0, minor, major, *[0] * 8]
    return resource.struct_rusage(fields)


def test_faults_are_those_of_all_that_were_reaped_less_the_launchers(
    untold: ProcfsCollector,
) -> None:
    untold.reaped(REAPED, 0, usage(minor=13, major=7))
    untold.reaped(REAPED + 1, 0, usage(minor=17, major=11))
    totals = untold.totals()
    assert (totals.minor_faults, totals.major_faults) == (13 + 17 - 3, 7 + 11 - 2)


def test_times_are_those_of_all_that_were_reaped_less_the_launchers(
    untold: ProcfsCollector,
) -> None:
    untold.reaped(REAPED, 0, usage(user_s=0.013, system_s=0.017))
    untold.reaped(REAPED + 1, 0, usage(user_s=0.019, system_s=0.023))
    totals = untold.totals()
    assert (totals.user_ns, totals.system_ns) == (27_000_000, 33_000_000)


def test_a_launcher_that_says_more_than_the_kernel_does_leaves_nothing(
    untold: ProcfsCollector,
) -> None:
    """The kernel rounds what it accounts to whom; a figure below 0 would be nonsense."""
    untold.reaped(REAPED, 0, usage(minor=1, major=1, user_s=0.001, system_s=0.001))
    totals = untold.totals()
    used = (totals.user_ns, totals.system_ns, totals.minor_faults, totals.major_faults)
    assert used == (0, 0, 0, 0)


@pytest.mark.parametrize("status", [signal.SIGSYS, signal.SIGSYS | 0x80])
def test_a_death_by_sigsys_is_counted_with_and_without_a_core(
    untold: ProcfsCollector, status: int
) -> None:
    untold.reaped(REAPED, status, usage())
    untold.reaped(REAPED + 1, signal.SIGKILL, usage())
    untold.reaped(REAPED + 2, signal.SIGSYS << 8, usage())  # exited with that status
    assert untold.totals().sigsys == 1


def test_a_peak_that_nobody_told_is_unknown_whatever_a_sample_saw(
    untold: ProcfsCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the 12 KiB of a program that was sampled in its first microseconds."""
    monkeypatch.setattr(collector, "read_status", says({os.getpid(): (12 * 1024, MIB)}))
    untold.final(os.getpid())
    untold.reaped(REAPED, 0, usage(rss_bytes=LAUNCHER_RSS))
    totals = untold.totals()
    assert (totals.max_rss_bytes, totals.peak_vm_bytes) == (None, None)
    assert [(loss.kind, loss.count) for loss in untold.losses()] == [("untold_peak", 1)]


def test_a_peak_above_the_launchers_is_the_targets_own_and_known(
    untold: ProcfsCollector,
) -> None:
    untold.reaped(REAPED, 0, usage(rss_bytes=3 * LAUNCHER_RSS))
    assert untold.totals().max_rss_bytes == 3 * LAUNCHER_RSS
    assert untold.totals().peak_vm_bytes is None


def test_peaks_are_the_most_of_all_processes_and_instants(
    untold: ProcfsCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rss, vm in ((3 * MIB, 50 * MIB), (5 * MIB, 70 * MIB), (2 * MIB, 60 * MIB)):
        monkeypatch.setattr(collector, "read_status", says({os.getpid(): (rss, vm)}))
        untold.final(os.getpid())
    totals = untold.totals()  # none has ended yet
    assert (totals.max_rss_bytes, totals.peak_vm_bytes) == (5 * MIB, 70 * MIB)


def says(peaks: dict[int, tuple[int, int]]) -> Callable[[int], Status]:
    """A ``read_status`` that gives these peaks."""

    def read(pid: int) -> Status:
        rss, vm = peaks[pid]
        return Status(rss, rss, vm, vm, ignores_sigchld=False)

    return read
