"""Numbers and names per ABI."""

from __future__ import annotations

import pytest

from tracer import syscalls


@pytest.mark.parametrize(
    ("abi", "nr", "name"),
    [
        ("x86_64", 1, "write"),
        ("i386", 1, "exit"),
        ("arm64", 1, "io_destroy"),
        ("arm", 1, "exit"),
        ("x32", 0x40000001, "write"),
        ("x32", 0x40000000 + 515, "readv"),
        ("x86_64", 435, "clone3"),
        ("i386", 102, "socketcall"),
        ("x86_64", 156, "_sysctl"),
        ("i386", 149, "_sysctl"),
        ("i386", 17, "break"),
        ("x32", 0x40000000 + 185, "security"),
    ],
)
def test_a_number_has_the_name_of_its_abi(abi: str, nr: int, name: str) -> None:
    """The same number is another call on another ABI, and both ways agree."""
    assert syscalls.name(abi, nr) == name
    assert syscalls.number(abi, name) == nr


@pytest.mark.parametrize("abi", syscalls.ABIS)
def test_every_name_leads_to_its_number_and_back(abi: str) -> None:
    """The tables are one to one, so nothing is lost either way."""
    assert len(syscalls.names(abi)) > 300
    for name in syscalls.names(abi):
        nr = syscalls.number(abi, name)
        assert nr is not None
        assert syscalls.name(abi, nr) == name


def test_a_number_without_a_name_is_written_as_strace_writes_it() -> None:
    """Unknown numbers keep their value and can be given back."""
    assert syscalls.name("x86_64", 0x3E7) == "syscall_0x3e7"
    assert syscalls.name("x86_64", -1) == "syscall_0xffffffff"
    assert syscalls.number("x86_64", "syscall_0x3e7") == 0x3E7


@pytest.mark.parametrize(
    ("nr", "abi"),
    [
        (0x3FFFFFFF, "x86_64"),
        (0x40000000, "x32"),
        (0x7FFFFFFF, "x32"),
        (0x80000000, "x32"),
        (0xFFFFFFFE, "x32"),
        (0xFFFFFFFF, "x86_64"),
        (-1, "x86_64"),
    ],
)
def test_a_filter_takes_all_from_the_x32_bit_up_for_x32(nr: int, abi: str) -> None:
    """All but -1: libseccomp compares the number, it does not look for the bit."""
    assert syscalls.abi_of("x86_64", nr) == abi
    assert syscalls.abi_of("i386", nr) == "i386"


def test_a_name_that_the_abi_lacks_has_no_number() -> None:
    """Absence is None, and the ABIs that do have the name are known."""
    assert syscalls.number("x86_64", "socketcall") is None
    assert syscalls.number("arm64", "open") is None
    assert syscalls.abis_with("socketcall") == ("i386",)
    assert syscalls.abis_with("no_such_call") == ()


def test_a_misspelt_name_is_near_the_right_one() -> None:
    """A suggestion is a name of that ABI, or nothing."""
    assert syscalls.suggest("x86_64", "opennat") == "openat"
    assert syscalls.suggest("x86_64", "qqqqqqqq") is None


def test_errors_have_names_the_kernels_own_too() -> None:
    """512 to 530 never reach a program, but a tracer sees them."""
    assert syscalls.errno_name(2) == "ENOENT"
    assert syscalls.errno_name(512) == "ERESTARTSYS"
    assert syscalls.errno_name(516) == "ERESTART_RESTARTBLOCK"
    assert syscalls.errno_name(4000) == "errno_4000"
    assert syscalls.errno_number("EPERM") == 1
    assert syscalls.errno_number("EBOGUS") is None
    assert syscalls.errno_number("errorcode") is None


def test_an_abi_that_there_is_not_is_a_mistake_of_the_caller() -> None:
    """A misspelt ABI is refused, not taken for an empty one."""
    with pytest.raises(ValueError, match="unknown ABI 'x86'"):
        syscalls.name("x86", 1)
