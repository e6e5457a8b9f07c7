"""At the edges: errors at the ends of their range, refusals one after the other, images of
threads, and calls so far."""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.kernel.counting import counting, follow
from tests.kernel.refusing import Refusing
from tests.kernel.supervised import until, waits_in
from tracer import syscalls
from tracer.collectors.kernel.collector import KernelCollector
from tracer.profile import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel
PYTHON = ("/usr/bin/python3", "-S", "-c")
MOST = 4095
"""MAX_ERRNO, linux/err.h: what is below its negative is a result like any other."""
READ, LSEEK, EXIT = (
    syscalls.number(syscalls.native_abi(), name) for name in ("read", "lseek", "exit")
)


def test_errors_are_results_from_minus_4095_to_minus_1(sbtrace: Sbtrace) -> None:
    """lseek on /proc/self/mem gives back whatever offset it is told (fs/proc/base.c: mem_lseek)."""
    offsets = (-MOST - 1, -MOST, -1, 0, 1, 1 << 62)
    script = (
        "import ctypes, os; fd = os.open('/proc/self/mem', 0); call = ctypes.CDLL(None).syscall\n"
        f"for at in {offsets}: call({LSEEK}, fd, ctypes.c_long(at), 0)"
    )
    sbtrace.run(*PYTHON, script)
    errors = sbtrace.sql("SELECT errno, failed, blocked FROM syscall_errors WHERE name = 'lseek'")
    found = {(row["errno"], row["failed"], row["blocked"]) for row in errors}
    assert found >= {(MOST, 1, 0), (errno.EPERM, 1, 0)}
    assert {number for number, _, _ in found} <= {MOST, errno.EPERM, errno.ESPIPE}
    (row,) = sbtrace.sql("SELECT sum(errors)::INT AS n FROM syscalls WHERE name = 'lseek'")
    assert row["n"] == sum(failed for _, failed, _ in found)


def test_a_refusal_after_a_trapped_one_has_its_own_action_and_errno(
    sbtrace: Sbtrace, public_folder: Path
) -> None:
    """And the one after that, too: what the signal said is of the call that it came from."""
    refusing = Refusing(sbtrace, public_folder)
    script = (
        "import os, signal; signal.signal(signal.SIGSYS, lambda *_: None)\n"
        "for call in (os.getpgid, os.getsid, os.getsid, os.getpgid):\n"
        "    try: call(0)\n    except OSError: pass"
    )
    rules = 'trap = ["getpgid"]\n[errno]\nEXFULL = ["getsid"]'
    refusing(rules, *PYTHON, script)
    assert refusing.errnos("getsid") == {"EXFULL": (0, 2)}
    assert refusing.errnos("getpgid") == {}
    for name, action, number in (("getpgid", "TRAP", None), ("getsid", "ERRNO", errno.EXFULL)):
        rows = [row for row in refusing.rows() if row["name"] == name]
        assert {(row["action"], row["errno"]) for row in rows} == {(action, number)}
        assert sum(row["count"] for row in rows) == 2


def test_threads_of_a_later_image_are_that_images(sbtrace: Sbtrace, programs: Programs) -> None:
    """The shell is image 0, what it execs is image 1, and so are the threads made there."""
    count, calls = 3, 101
    sbtrace.run("sh", "-c", f"exec {programs['threads']} {count} {calls}")
    rows = sbtrace.sql(
        "SELECT image, calls FROM syscalls WHERE name = 'getppid' AND tid <> pid AND calls > 1"
    )
    assert [(row["image"], row["calls"]) for row in rows] == [(1, calls)] * count
    images = sbtrace.sql("SELECT image, executable FROM processes ORDER BY image")
    assert [row["image"] for row in images] == [0, 1]
    assert images[1]["executable"] == str(programs["threads"])


def test_a_child_begins_with_an_image_of_its_own(sbtrace: Sbtrace) -> None:
    """Of a command that was another program before: its child is the child's image 0."""
    script = "import os; os.fork() or os._exit(0); os.wait()"
    sbtrace.run("sh", "-c", f'exec {" ".join(PYTHON[:2])} -c "{script}"')
    rows = sbtrace.sql(
        "SELECT process_id, list(image ORDER BY image) AS n FROM processes GROUP BY ALL"
    )
    assert sorted(row["n"] for row in rows) == [[0], [0, 1]]


def test_calls_so_far_are_those_that_came_back_of_the_living_and_the_dead() -> None:
    collector = KernelCollector(load("LEARNING").decide, frozenset())
    ready, go = os.pipe()
    said, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(say, 1)
            os.dup2(ready, 0)
            os.read(0, 1)
            os.execv("/bin/sh", ["sh", "-c", "/bin/true; /bin/true; echo ready; read x"])  # noqa: S606
        finally:
            os._exit(99)
    try:
        pidfd = os.pidfd_open(pid)
        collector.enrol(pidfd)
        os.close(pidfd)
        assert collector.calls_so_far() == 0
        os.write(go, b"x")
        assert os.read(said, 16) == b"ready\n"
        until(lambda: waits_in(pid) == READ, "it waits")
        rows = collector.snapshot().totals.stats
        assert collector.calls_so_far() == sum(row.calls - row.unfinished for row in rows) > 0
        assert sum(row.unfinished for row in rows) == 1 + 2  # its read, and how the two ended
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        rows = collector.stop().totals.stats
        assert collector.calls_so_far() == sum(row.calls - row.unfinished for row in rows)
    finally:
        collector.close()
        for descriptor in (ready, go, said, say):
            os.close(descriptor)


@pytest.mark.parametrize("how", ["os._exit(7)", f"call({EXIT}, 3)"], ids=["group", "thread"])
def test_a_thread_that_outlives_its_leader_ends_the_process_as_wait_tells_it(how: str) -> None:
    """With the status of exit_group by whichever thread; else, since Linux 5.17, with that of the
    last one, and before with its leader's (kernel/exit.c: synchronize_group_exit)."""
    script = (
        "import ctypes, os, _thread\ncall = ctypes.CDLL(None).syscall\nme = os.getpid()\n"
        "def outlive():\n"
        "    while open(f'/proc/self/task/{me}/stat').read().split()[2] != 'Z': pass\n"
        f"    {how}\n"
        f"_thread.start_new_thread(outlive, ()); call({EXIT}, 5)"
    )
    with counting() as collector:
        code = os.waitstatus_to_exitcode(follow(collector, *PYTHON, script))
        (process,) = collector.stop().processes
    assert code in ((7,) if "7" in how else (3, 5))
    assert (process.exit_code, process.term_signal) == (code, None)


def test_a_call_in_which_a_task_is_killed_is_unfinished_and_no_error(programs: Programs) -> None:
    """Its exit says ERESTARTSYS, which nobody sees; one that is cancelled alone does come back."""
    with counting() as collector:
        assert follow(collector, programs["thread_killed"]) == 0
        records = collector.stop()
    found = {name: Counter[str]() for name in ("readv", "rt_sigsuspend", "recvfrom")}
    for row in records.totals.stats:
        if row.name in found:
            found[row.name] += Counter(made=row.calls, unfinished=row.unfinished, failed=row.errors)
    assert found["readv"]["unfinished"] == found["readv"]["made"] > 1
    assert found["rt_sigsuspend"] == {"made": 1, "unfinished": 1}
    assert found["recvfrom"] == {"made": 1, "failed": 1}
    assert {"readv", "rt_sigsuspend"} & {error.name for error in records.totals.errors} == set()


def test_the_parent_of_a_process_is_the_one_that_forked_it() -> None:
    """Four generations, each of which waits for the next."""
    script = "import os\nfor _ in range(3):\n    if child := os.fork(): os.waitpid(child, 0); break"
    with counting() as collector:
        follow(collector, *PYTHON, script)
        processes = collector.stop().processes
    assert [process.parent_id for process in processes] == [None, 1, 2, 3]
    pids = [process.pid for process in processes]
    assert [process.ppid for process in processes][1:] == pids[:-1]
