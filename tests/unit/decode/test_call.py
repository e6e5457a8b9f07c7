"""Blocked calls as strace would write them, from their registers alone."""

from __future__ import annotations

import pytest

from tracer import syscalls
from tracer.decode import call_text, value_texts
from tracer.decode.signatures import SIGNATURES
from tracer.decode.values import KINDS

W = 0xFFFF_FFFF

U64 = 1 << 64
MMAP = "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
OPENED = "openat(AT_FDCWD, 0x10, O_RDONLY|O_CLOEXEC)"
MADE = "openat(AT_FDCWD, NULL, O_WRONLY|O_CREAT, 0644)"


@pytest.mark.parametrize(
    ("abi", "name", "args", "text"),
    [
        ("x86_64", "openat", (U64 - 100, 0x10, 0o2000000), OPENED),
        ("x86_64", "openat", (0xFFFFFF9C, 0, 0o101, 0o644), MADE),
        ("x86_64", "openat", (5, 0x10, 0o200000), "openat(5, 0x10, O_RDONLY|O_DIRECTORY)"),
        ("arm64", "openat", (5, 0x10, 0o40000), "openat(5, 0x10, O_RDONLY|O_DIRECTORY)"),
        ("x86_64", "pipe2", (0x10, 0o40000), "pipe2(0x10, O_DIRECT)"),
        ("x86_64", "personality", (0x440000,), "personality(ADDR_NO_RANDOMIZE|READ_IMPLIES_EXEC)"),
        ("x86_64", "personality", (0,), "personality(PER_LINUX)"),
        ("x86_64", "personality", (0xFFFFFFFF,), "personality(0xffffffff)"),
        ("x86_64", "personality", (0x40008,), "personality(ADDR_NO_RANDOMIZE|0x8)"),
        ("arm64", "pipe2", (0x10, 0o200000), "pipe2(0x10, O_DIRECT)"),
        ("x86_64", "open", (0x10, 0o4010002), "open(0x10, O_RDWR|O_SYNC)"),
        ("x86_64", "socket", (2, 0o2000001, 6), "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 6)"),
        ("x86_64", "socket", (99, 3, 0), "socket(99, SOCK_RAW, 0)"),
        ("x86_64", "kill", (U64 - 1, 9), "kill(-1, SIGKILL)"),
        ("x86_64", "kill", (12, 0), "kill(12, 0)"),
        ("x86_64", "mmap", (0, 4096, 3, 0x22, 0xFFFFFFFF, 0), MMAP),
        ("x86_64", "unshare", (0x10020000,), "unshare(CLONE_NEWNS|CLONE_NEWUSER)"),
        ("x86_64", "fork", (1, 2, 3), "fork()"),
        ("x86_64", "prctl", (38, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS, 0x1, 0x0, 0x0, 0x0)"),
        ("x86_64", "access", (0x10, 0), "access(0x10, F_OK)"),
        ("x86_64", "mprotect", (0x1000, 4096, 0), "mprotect(0x1000, 4096, PROT_NONE)"),
        ("x86_64", "madvise", (0, 1, 0x99), "madvise(NULL, 1, 153)"),
        ("x86_64", "unlinkat", (3, 0x10, 0x10200), "unlinkat(3, 0x10, AT_REMOVEDIR|0x10000)"),
    ],
)
def test_known_calls_have_their_flags_by_name(
    abi: str, name: str, args: tuple[int, ...], text: str
) -> None:
    assert call_text(abi, name, (*args, 0, 0, 0, 0, 0, 0)[:6]) == text


def test_an_unknown_call_shows_all_six_registers() -> None:
    assert call_text("x86_64", "syscall_0x999", (1, 2, 3, 4, 5, 6)) == (
        "syscall_0x999(0x1, 0x2, 0x3, 0x4, 0x5, 0x6)"
    )


@pytest.mark.parametrize(
    ("abi", "name", "text"),
    [
        ("i386", "mmap", "mmap(0x1)"),
        ("i386", "pread64", "pread64(1, 0x2, 3, 21474836484)"),
        ("arm", "pread64", "pread64(1, 0x2, 3, 25769803781)"),
        ("arm", "truncate64", "truncate64(0x1, 17179869187)"),
        ("i386", "truncate64", "truncate64(0x1, 12884901890)"),
        ("i386", "fanotify_mark", "fanotify_mark(1, 0x2, 0x400000003, 5, 0x6)"),
        ("i386", "socketcall", "socketcall(1, 0x2)"),
    ],
)
def test_a_32_bit_call_takes_64_bits_from_two_registers(abi: str, name: str, text: str) -> None:
    """arm begins them in an even one (syscall(2)); i386's old mmap takes all from memory."""
    assert call_text(abi, name, (1, 2, 3, 4, 5, 6)) == text


@pytest.mark.parametrize("abi", syscalls.ABIS)
def test_every_call_that_has_a_name_shows_what_it_reads(abi: str) -> None:
    """And no register beyond: those hold whatever was in them before."""
    assert syscalls.names(abi) - set(SIGNATURES) == {"clone"}
    for name in syscalls.names(abi):
        assert call_text(abi, name, (1, 0x22, 3, 4, 5, 6)).startswith(f"{name}(")


@pytest.mark.parametrize(
    ("name", "paths", "text"),
    [
        ("openat", ("/etc/passwd",), 'openat(1, "/etc/passwd", O_RDONLY)'),
        ("rename", ("a", "b c"), 'rename("a", "b c")'),
        ("rename", (None, "b"), 'rename(0x1 /* could not be read */, "b")'),
        ("symlinkat", ('t"\\', ""), 'symlinkat("t\\"\\\\", 2, "")'),
        ("unlink", (), "unlink(0x1)"),
        ("unlink", None, "unlink(0x1)"),
    ],
)
def test_a_path_is_shown_and_that_one_could_not_be_read_is_said(
    name: str, paths: tuple[str | None, ...] | None, text: str
) -> None:
    assert call_text("x86_64", name, (1, 2, 0, 4, 5, 6), paths) == text


def test_no_path_is_read_through_a_null_pointer() -> None:
    assert call_text("x86_64", "mkdir", (0, 0o700, 0, 0, 0, 0), (None,)) == "mkdir(NULL, 0700)"


def test_clones_last_arguments_change_places_between_abis() -> None:
    args = (0x1200011, 0, 0, 0xC, 0xD, 0)
    assert "child_tid=0xc, tls=0xd" in call_text("x86_64", "clone", args)
    assert "child_tid=0xd, tls=0xc" in call_text("arm64", "clone", args)
    assert "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD" in call_text("x86_64", "clone", args)


def test_every_kind_of_argument_has_a_decoder_and_none_is_idle() -> None:
    used = {kind for kinds in SIGNATURES.values() for kind in kinds}
    assert used <= set(KINDS)
    assert set(KINDS) - used <= {"open_flags_arm", "pipe_flags_arm"}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("value", [0, 1, 0xFFFF_FFFF, U64 - 1, 1 << 63])
def test_no_register_makes_a_decoder_fail(kind: str, value: int) -> None:
    assert KINDS[kind](value)


@pytest.mark.parametrize(
    ("level", "option", "text"),
    [
        (1, 2, "SOL_SOCKET, SO_REUSEADDR"),
        (6, 2, "SOL_TCP, TCP_MAXSEG"),
        (0, 2, "SOL_IP, IP_TTL"),
        (41, 26, "SOL_IPV6, IPV6_V6ONLY"),
        (270, 11, "SOL_NETLINK, NETLINK_EXT_ACK"),
        (17, 1, "SOL_UDP, 1"),
        (1, 30000, "SOL_SOCKET, 30000"),
        (12345, 2, "12345, 2"),
    ],
)
def test_an_option_of_a_socket_is_named_by_its_level(level: int, option: int, text: str) -> None:
    for call in ("setsockopt", "getsockopt"):
        assert call_text("x86_64", call, (3, level, option, 0, 0, 0)).startswith(
            f"{call}(3, {text},"
        )
    assert ", ".join(value_texts("setsockopt", ((1, W, level), (2, W, option)))) == text
    assert value_texts("setsockopt", ((2, W, option),)) == [str(option)]
