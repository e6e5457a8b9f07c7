"""/proc/PID/{stat,status,io}, read from texts as the kernel writes them."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.collectors.procfs import files

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# Fields 3 to 22 of proc_pid_stat(5), each another prime, so that no two can be confused.
STAT = "S 2 3 5 7 11 13 1009 17 1013 19 1019 1021 1031 1033 20 0 1039 0 1049 1051 1061"
STATUS = """Name:\tone
VmPeak:\t  1009 kB
VmSize:\t  1013 kB
VmHWM:\t   1019 kB
VmRSS:\t   1021 kB
SigQ:\t0/1
SigIgn:\t{ignored:016x}
SigCgt:\t0000000000010000
"""
IO = b"""rchar: 1009
wchar: 1013
syscr: 1019
syscw: 1021
read_bytes: 1031
write_bytes: 1033
cancelled_write_bytes: 1039
"""
SIGCHLD_BIT = 1 << 16


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes | None]:
    """What each file of the one process holds."""
    found: dict[str, bytes | None] = {}
    monkeypatch.setattr(files, "_read", lambda _pid, name: found[name])
    return found


def test_each_field_of_stat_is_the_one_that_the_manual_gives(texts: dict[str, bytes]) -> None:
    texts["stat"] = f"7 (comm) {STAT}\n".encode()
    stat = files.read_stat(7)
    assert stat is not None
    assert (stat.comm, stat.state, stat.ppid) == ("comm", "S", 2)
    assert (stat.minor_faults, stat.major_faults) == (1009, 1013)
    assert (stat.user_ns, stat.system_ns) == (1019 * TICK_NS, 1021 * TICK_NS)
    assert stat.waited_ns == (1031 + 1033) * TICK_NS
    assert (stat.threads, stat.start_ticks) == (1039, 1049)


@given(st.binary(max_size=15).filter(lambda name: b"\0" not in name))
def test_a_name_may_hold_whatever_it_likes(name: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_read", lambda *_: b"7 (" + name + b") " + STAT.encode())
        stat = files.read_stat(7)
    assert stat is not None
    assert (os.fsencode(stat.comm), stat.state, stat.ppid) == (name, "S", 2)


@pytest.mark.parametrize(
    ("ignored", "ignores"),
    [
        (0, False),
        (SIGCHLD_BIT, True),
        (SIGCHLD_BIT | 1, True),
        (SIGCHLD_BIT << 1, False),
        (7, False),
    ],
)
def test_sizes_of_status_are_bytes_and_sigchld_is_its_bit(
    texts: dict[str, bytes], ignored: int, ignores: bool
) -> None:
    texts["status"] = STATUS.format(ignored=ignored).encode()
    kib = 1024
    assert files.read_status(7) == (1021 * kib, 1019 * kib, 1013 * kib, 1009 * kib, ignores)


def test_a_zombie_has_no_sizes(texts: dict[str, bytes]) -> None:
    lines = STATUS.format(ignored=0).splitlines(keepends=True)
    texts["status"] = "".join(line for line in lines if not line.startswith("Vm")).encode()
    assert files.read_status(7) == (None, None, None, None, False)


def test_each_field_of_io_is_the_one_that_its_name_says(texts: dict[str, bytes]) -> None:
    texts["io"] = IO
    io = files.read_io(7)
    assert io is not None
    assert (io.read_chars, io.write_chars) == (1009, 1013)
    assert (io.read_syscalls, io.write_syscalls) == (1019, 1021)
    assert (io.read_bytes, io.write_bytes) == (1031, 1033)


def test_a_process_that_is_gone_has_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert files.read_stat(pid) is None
    assert files.read_status(pid) is None
    assert files.read_io(pid) is None
    assert files.cpu_time(pid) is None


def test_the_cpu_clock_of_a_process_is_the_one_that_it_reads_itself() -> None:
    import time

    before = time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)
    found = files.cpu_time(os.getpid())
    after = time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)
    assert found is not None
    assert before <= found <= after


def test_what_is_read_is_of_the_process_that_was_asked_for() -> None:
    own = files.read_stat(os.getpid())
    assert own is not None
    assert (own.ppid, own.state) == (os.getppid(), "R")
    status = files.read_status(os.getpid())
    assert status is not None
    assert status.rss_bytes is not None
    assert 0 < status.rss_bytes <= (status.peak_rss_bytes or 0) <= (status.peak_vm_bytes or 0)
    io = files.read_io(os.getpid())
    again = files.read_io(os.getpid())
    assert io is not None
    assert again is not None
    assert again.read_syscalls > io.read_syscalls  # of which one was the reading of it
