"""System interfaces by ctypes, each tried in a child of its own."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracer import linux, syscalls
from tracer.linux import process

if TYPE_CHECKING:
    from collections.abc import Callable

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who has capabilities")


def in_child(do: Callable[[], int]) -> int:
    """What ``do`` returns in a forked process; 200 and the errno if it raises one."""
    pid = os.fork()
    if pid == 0:
        status = 199
        try:
            status = do()
        except OSError as error:
            status = 200 + (error.errno or 0)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def field(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found, 16)


def test_prctl_gives_the_value_and_raises_the_errno() -> None:
    get_dumpable = 3
    assert linux.prctl(get_dumpable) in (0, 1, 2)
    assert in_child(lambda: linux.prctl(linux.PR_SET_DUMPABLE, 0) or linux.prctl(get_dumpable)) == 0
    with pytest.raises(OSError, match="Invalid argument"):
        linux.prctl(99_999)


def test_the_name_of_the_process_is_set() -> None:
    def named() -> int:
        linux.set_name(b"seventeen-letters")
        return int(Path("/proc/self/comm").read_bytes() != b"seventeen-lette\n")

    assert in_child(named) == 0


def test_descriptors_from_a_number_up_are_closed_on_exec() -> None:
    def marked() -> int:
        reader, writer = os.pipe()
        for fd in (reader, writer):
            os.set_inheritable(fd, True)
        linux.close_on_exec_from(writer)
        return int((os.get_inheritable(reader), os.get_inheritable(writer)) != (True, False))

    assert in_child(marked) == 0


def test_before_linux_5_11_each_descriptor_is_marked_by_itself() -> None:
    def marked() -> int:
        reader, writer = os.pipe()
        for fd in (reader, writer):
            os.set_inheritable(fd, True)
        process._CLOSE_RANGE_CLOEXEC = 1 << 30  # which no kernel knows
        linux.close_on_exec_from(writer)
        return int((os.get_inheritable(reader), os.get_inheritable(writer)) != (True, False))

    assert in_child(marked) == 0


@root
@pytest.mark.parametrize("mask", [0, 1 << 0 | 1 << 5, 1 << 33])
def test_capabilities_are_those_of_the_mask_in_all_sets(mask: int) -> None:
    def bounded() -> int:
        linux.limit_bounding_set(mask)
        linux.set_capabilities(mask)
        linux.raise_ambient(mask)
        sets = [field(f"Cap{name}") for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")]
        return int(set(sets) != {mask & sets[3]} or sets[3] != mask)

    assert in_child(bounded) == 0


@root
def test_capabilities_that_one_has_not_cannot_be_had_back() -> None:
    def again() -> int:
        linux.set_capabilities(0)
        linux.set_capabilities(1)
        return 0

    assert in_child(again) == 200 + errno.EPERM


def test_a_death_signal_is_the_parents_death() -> None:
    """PR_GET_PDEATHSIG would need a pointer; the number itself is what the launcher relies on."""
    assert in_child(lambda: linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)) == 0
    assert in_child(lambda: linux.prctl(linux.PR_SET_PDEATHSIG, 999)) == 200 + errno.EINVAL


def test_a_refused_call_is_its_errno_in_words() -> None:
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        linux.syscall(syscalls.number(syscalls.native_abi(), "close") or 0, -1)
    assert caught.value.errno == errno.EBADF
    assert str(linux.error_of(errno.ENOENT)) == "[Errno 2] No such file or directory"


def test_a_blocked_signal_is_there_to_be_read() -> None:
    def heard() -> int:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        fd = linux.signalfd({signal.SIGUSR1})
        os.kill(os.getpid(), signal.SIGUSR1)
        return os.read(fd, 128)[0]

    assert in_child(heard) == signal.SIGUSR1


@root
@pytest.mark.parametrize("uid", [65534, 2**32 - 2])
def test_the_uid_of_file_access_is_the_one_that_was_set(uid: int) -> None:
    def set_and_ask() -> int:
        before = linux.set_fsuid(uid)
        return int((before, linux.fsuid()) != (0, uid))

    assert in_child(set_and_ask) == 0
