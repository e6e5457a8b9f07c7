"""What an allowed call could do to others by its arguments is refused, whatever its upper bits."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.kernel import filtered
from tracer import syscalls
from tracer.profile import load, parse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Sbtrace
    from tracer.profile import Profile

pytestmark = pytest.mark.kernel
PYTHON = "/usr/bin/python3"
STRICT, AWARE = "STRICT", "RESOURCE-AWARE"
GARBAGE = 0xDEADBEEF << 32
"""In the upper half of a register, which the kernel does not read of an int."""
OTHER = 1
"""The pid of a process that is not the target's."""
# Makes each call and prints its errno, 0 where it succeeded; "buffer" is some memory.
SCRIPT = """
import ctypes, json, sys
call, buffer = ctypes.CDLL(None, use_errno=True).syscall, ctypes.create_string_buffer(256)
found = []
for nr, *args in json.loads(sys.argv[1]):
    args = [ctypes.addressof(buffer) if arg == "buffer" else arg for arg in args]
    ctypes.set_errno(0)
    call(ctypes.c_long(nr), *map(ctypes.c_ulong, args))
    found.append(ctypes.get_errno())
print(json.dumps(found))
"""

Call = tuple[str | int, ...]
"""Name and arguments; the ints among them get garbage in their upper half."""
F_SETOWN, F_SETFL, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY = 8, 4, 10, 15, 1024, 1026
O_ASYNC = 0x2000
SIGNALS_BY_DESCRIPTOR: list[Call] = [
    ("fcntl", 0, F_SETOWN, OTHER),
    ("fcntl", 0, F_SETOWN_EX, "buffer"),
    ("fcntl", 0, F_SETSIG, 9),
    ("fcntl", 0, F_SETFL, O_ASYNC),
    ("fcntl", 0, F_SETLEASE, 0),
    ("fcntl", 0, F_NOTIFY, 0),
]
TERMINAL_AND_SIGNALS: list[Call] = [
    ("ioctl", 0, 0x5412, "buffer"),  # TIOCSTI
    ("ioctl", 0, 0x541C, "buffer"),  # TIOCLINUX
    ("ioctl", 0, 0x5452, "buffer"),  # FIOASYNC
    ("ioctl", 0, 0x8901, "buffer"),  # FIOSETOWN
    ("ioctl", 0, 0x8902, "buffer"),  # SIOCSPGRP
    ("ioctl", 0, 0x5423, "buffer"),  # TIOCSETD
]
SOCKETS: list[Call] = [
    ("socketpair", socket.AF_UNIX, socket.SOCK_DGRAM, 0, "buffer"),
    ("socketpair", 30, socket.SOCK_STREAM, 0, "buffer"),  # AF_TIPC
    ("sendto", 0, "buffer", 1, 0, "buffer", 16),
    ("sendmsg", 0, "buffer", 0),
    ("connect", 0, "buffer", 16),
    ("bind", 0, "buffer", 16),
]
LIMITS: list[Call] = [("prlimit64", OTHER, 1, "buffer", 0)]  # RLIMIT_FSIZE
NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
OTHERS: list[Call] = [
    *LIMITS,
    *(("clone", flag | 17, 0, 0, 0, 0) for flag in NAMESPACES),
    ("unshare", 0x10000000),
    ("setns", 0, 0),
    ("sched_setaffinity", OTHER, 8, "buffer"),
    ("sched_setscheduler", OTHER, 0, "buffer"),
    ("sched_setparam", OTHER, "buffer"),
    ("sched_setattr", OTHER, "buffer", 0),
    ("migrate_pages", OTHER, 0, 0, 0),
    ("move_pages", OTHER, 0, 0, 0, 0, 0),
    ("setpriority", 0, OTHER, 19),
    ("setpriority", 1, 0, 19),  # PRIO_PGRP: sbtrace is in the group
    ("setpriority", 2, 0, 19),  # PRIO_USER
    ("ioprio_set", 1, OTHER, 0),
    ("ioprio_set", 3, 0, 0),  # IOPRIO_WHO_USER
    ("prctl", 62, 2, OTHER, 0, 0),  # PR_SCHED_CORE, PR_SCHED_CORE_SHARE_TO
    ("process_madvise", 0, "buffer", 0, 0, 0),
    ("process_mrelease", 0, 0),
    ("ptrace", 16, OTHER, 0, 0),
]


def errnos(profile: Profile, calls: list[Call], garbage: int = 0) -> list[str]:
    """What each call fails with under a profile; "" for one that succeeds."""
    numbered = [
        (syscalls.number(syscalls.native_abi(), str(name)), *(_dirty(a, garbage) for a in args))
        for name, *args in calls
    ]
    status, output = filtered.run(profile, [PYTHON, "-S", "-c", SCRIPT, json.dumps(numbered)])
    assert status == 0, output
    return [errno.errorcode.get(code, "") for code in json.loads(output)]


def _dirty(argument: str | int, garbage: int) -> str | int:
    return argument if isinstance(argument, str) else argument | garbage


def refused(answers: list[str], calls: list[Call]) -> dict[Call, str]:
    return dict(zip(calls, answers, strict=True))


@pytest.mark.parametrize("garbage", [0, GARBAGE], ids=["plain", "upper bits set"])
@pytest.mark.parametrize("name", [STRICT, AWARE])
def test_no_descriptor_can_be_made_to_signal_others(name: str, garbage: int) -> None:
    """F_SETOWN, F_SETSIG and O_ASYNC would have the kernel kill any process of the user."""
    answers = errnos(load(name), SIGNALS_BY_DESCRIPTOR, garbage)
    assert set(answers) == {"EPERM"}, refused(answers, SIGNALS_BY_DESCRIPTOR)
    answers = errnos(load(name), TERMINAL_AND_SIGNALS, garbage)
    assert set(answers) == {"ENOTTY"}, refused(answers, TERMINAL_AND_SIGNALS)


def test_without_a_filter_a_descriptor_can_signal_others() -> None:
    """So that what the test above refuses is what the kernel would have done."""
    free = parse('default_action = "allow"\nlog = ["getppid"]', "free.toml")
    answers = errnos(free, SIGNALS_BY_DESCRIPTOR, GARBAGE)
    assert answers[:3] == ["", "", ""]  # F_SETOWN, F_SETOWN_EX, F_SETSIG


@pytest.mark.parametrize("garbage", [0, GARBAGE], ids=["plain", "upper bits set"])
@pytest.mark.parametrize("name", [STRICT, AWARE])
def test_a_socket_pair_reaches_nobody_else(name: str, garbage: int) -> None:
    """One of datagrams could be sent from to any service of the machine."""
    answers = errnos(load(name), SOCKETS, garbage)
    assert set(answers) == {"EACCES"}, refused(answers, SOCKETS)


@pytest.mark.parametrize("garbage", [0, GARBAGE], ids=["plain", "upper bits set"])
def test_nothing_of_other_processes_is_changed_under_resource_aware(garbage: int) -> None:
    """Neither limits nor priorities, and no namespace gives a capability to do it with."""
    answers = errnos(load(AWARE), OTHERS, garbage)
    assert set(answers) == {"EPERM"}, refused(answers, OTHERS)
    assert errnos(load(AWARE), [("clone3", "buffer", 88)], garbage) == ["ENOSYS"]


@pytest.mark.parametrize("garbage", [0, GARBAGE], ids=["plain", "upper bits set"])
def test_a_limit_of_another_process_is_not_set_under_strict(garbage: int) -> None:
    """Nor does it lock files that it may read, which would hold others up."""
    locks: list[Call] = [("fcntl", 0, 6, "buffer"), ("flock", 0, 2)]
    assert set(errnos(load(STRICT), LIMITS + locks, garbage)) == {"EPERM"}


def test_signal_9_to_all_is_refused_under_resource_aware() -> None:
    """kill(-1) would end sbtrace, the shell that called it, and all else of the user."""
    every: list[Call] = [("kill", 0xFFFFFFFF, 0), ("kill", 2**64 - 1, 0)]
    assert errnos(load(AWARE), every) == ["EACCES", "EACCES"]
    assert errnos(load(AWARE), [("kill", 0, 0)]) == [""]  # its own group


def test_a_limit_of_another_process_is_read_under_resource_aware() -> None:
    """It tells, and changes nothing."""
    assert errnos(load(AWARE), [("prlimit64", OTHER, 1, 0, "buffer")]) == [""]


def test_a_process_may_change_itself_under_resource_aware() -> None:
    """What is refused of others is not refused of oneself."""
    own: list[Call] = [
        ("prlimit64", 0, 4, 0, "buffer"),
        ("setpriority", 0, 0, 19),
        ("ioprio_set", 1, 0, 3 << 13),
        ("fcntl", 0, 1030, 10),
        ("fcntl", 0, F_SETFL, 0o4000),
    ]
    assert set(errnos(load(AWARE), own)) == {""}


@pytest.mark.parametrize("name", [STRICT, AWARE])
def test_an_event_loop_of_python_runs(name: str) -> None:
    """It wakes itself by a pair of sockets, with send and recv."""
    code = (
        "import asyncio, socket; a, b = socket.socketpair(); a.send(b'x'); b.recv(1);"
        "a.shutdown(socket.SHUT_WR); asyncio.run(asyncio.sleep(0)); print('done')"
    )
    assert filtered.run(load(name), [PYTHON, "-c", code]) == (0, "done\n")


def test_node_runs_with_children_and_threads_under_resource_aware() -> None:
    """Its children's standard streams are pairs of sockets."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    code = textwrap.dedent("""\
        const { execSync } = require("child_process");
        process.stdout.write(execSync("echo child"));
        new (require("worker_threads").Worker)("", { eval: true })
          .on("exit", (status) => console.log("thread", status));
    """)
    assert filtered.run(load(AWARE), [node, "-e", code]) == (0, "child\nthread 0\n")


def test_java_starts_under_resource_aware() -> None:
    """It reserves more memory than the limit, and uses less."""
    java = shutil.which("java")
    if java is None:
        pytest.skip("needs java")
    status, output = filtered.run(load(AWARE), [java, "-Xshare:auto", "-version"])
    assert (status, "version" in output) == (0, True), output


def test_memory_that_is_reserved_but_not_used_does_not_count_as_data(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """RLIMIT_DATA: what can be written to counts, what is only set aside does not."""
    (tmp_path / "t.toml").write_text('default_action = "allow"\n[limits]\ndata = "64M"\n')
    code = (
        "import mmap; mmap.mmap(-1, 1 << 32, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 0);"
        "print('reserved'); mmap.mmap(-1, 1 << 27, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)"
    )
    recorded = sbtrace.run(PYTHON, "-c", code, options=["--profile", tmp_path / "t.toml"])
    assert recorded.process.stdout == "reserved\n"
    assert recorded.process.returncode == 1
    assert "Cannot allocate memory" in recorded.process.stderr
    assert recorded.record["limit_hit"].startswith(f"data_bytes = {64 * 2**20}: mmap failed")
