"""The filter and the execve that are laid out beforehand, each tried in a child of its own."""

from __future__ import annotations

import errno
import os
import struct

from tests.unit.test_linux import field, in_child
from tracer import linux
from tracer.sandbox import prepared

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD_NR, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET


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
    loaded = prepared.PreparedFilter(refusing)
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
    wrong = prepared.PreparedFilter(program((0xFFFF, 0, 0, 0)))

    def load() -> int:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        wrong()
        return 0

    assert in_child(load) == 200 + errno.EINVAL


def test_an_execve_that_fails_gives_its_errno_and_returns() -> None:
    execute = prepared.PreparedExec("/no/such/file", [b"x"], {b"A": b"b"})
    assert in_child(execute) == errno.ENOENT


def test_an_execve_has_the_words_and_the_environment_byte_by_byte() -> None:
    script = b'[ "$1" = "$(printf "\\377 x")" ] && [ "$ODD" = "$(printf "\\376")" ] && exit 7'
    words = [b"sh", b"-c", script, b"sh", b"\xff x"]
    execute = prepared.PreparedExec("/bin/sh", words, {b"ODD": b"\xfe", b"PATH": b"/usr/bin:/bin"})
    assert in_child(execute) == 7
