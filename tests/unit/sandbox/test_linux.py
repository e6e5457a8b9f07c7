"""System interfaces by ctypes, each tried in a child of its own."""

from __future__ import annotations

import errno
import os
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracer.sandbox import linux

if TYPE_CHECKING:
    from collections.abc import Callable

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD_NR, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET
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
        linux._CLOSE_RANGE_CLOEXEC = 1 << 30  # which no kernel knows
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


def program(*instructions: tuple[int, int, int, int]) -> bytes:
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)


def test_a_filter_is_loaded_by_one_call_and_refuses_what_it_says() -> None:
    getpgid = 121 if os.uname().machine == "x86_64" else 155
    refusing = program(
        (LOAD_NR, 0, 0, 0),
        (EQUAL, 0, 1, getpgid),
        (RETURN, 0, 0, ERRNO | errno.EXFULL),
        (RETURN, 0, 0, ALLOW),
    )
    loaded = linux.PreparedFilter(refusing)
    assert loaded.length == 4

    def load() -> int:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        loaded()
        assert field("Seccomp") == 2
        os.getppid()
        os.getpgid(0)
        return 0

    assert in_child(load) == 200 + errno.EXFULL


def test_a_filter_that_the_kernel_does_not_take_raises_its_errno() -> None:
    wrong = linux.PreparedFilter(program((0xFFFF, 0, 0, 0)))

    def load() -> int:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        wrong()
        return 0

    assert in_child(load) == 200 + errno.EINVAL


def test_an_execve_that_fails_gives_its_errno_and_returns() -> None:
    prepared = linux.PreparedExec("/no/such/file", [b"x"], {b"A": b"b"})
    assert in_child(prepared) == errno.ENOENT


def test_an_execve_has_the_words_and_the_environment_byte_by_byte() -> None:
    script = b'[ "$1" = "$(printf "\\377 x")" ] && [ "$ODD" = "$(printf "\\376")" ] && exit 7'
    words = [b"sh", b"-c", script, b"sh", b"\xff x"]
    prepared = linux.PreparedExec("/bin/sh", words, {b"ODD": b"\xfe", b"PATH": b"/usr/bin:/bin"})
    assert in_child(prepared) == 7


def test_a_death_signal_is_the_parents_death() -> None:
    """PR_GET_PDEATHSIG would need a pointer; the number itself is what the launcher relies on."""
    assert in_child(lambda: linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)) == 0
    assert in_child(lambda: linux.prctl(linux.PR_SET_PDEATHSIG, 999)) == 200 + errno.EINVAL
