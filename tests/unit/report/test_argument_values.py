"""Values of arguments for a person: the argument by its name, the value by its word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tracer.profile.deciding import ARGUMENTS, bits
from tracer.report import argument_values
from tracer.words import lookup

if TYPE_CHECKING:
    from tracer.profile.deciding import Way


@pytest.mark.parametrize(
    ("way", "text"),
    [
        (("x86_64", "socket", (17, 3, 0)), "domain AF_PACKET, type SOCK_RAW, protocol 0"),
        (("x86_64", "clone", (0x10000000,)), "flags CLONE_NEWUSER"),
        (("x86_64", "clone", (0,)), "flags no new namespace"),
        (("x86_64", "unshare", (0x20000,)), "flags CLONE_NEWNS"),
        (("x86_64", "mprotect", (4,)), "prot PROT_EXEC"),
        (("i386", "mmap2", (0,)), "prot no PROT_WRITE|PROT_EXEC"),
        (("x86_64", "ioctl", (0x5412,)), "request TIOCSTI"),
        (("x86_64", "prctl", (38,)), "option PR_SET_NO_NEW_PRIVS"),
        (("i386", "fcntl64", (4,)), "cmd F_SETFL"),
        (("x86_64", "kill", (9,)), "signal SIGKILL"),
        (("x86_64", "setsockopt", (1, 9)), "level SOL_SOCKET, optname SO_KEEPALIVE"),
    ],
)
def test_a_way_to_make_a_call_is_told_by_names_and_words(way: Way, text: str) -> None:
    assert argument_values.way_text(way) == text


@pytest.mark.parametrize("call", ARGUMENTS)
def test_every_recorded_argument_has_a_name(call: str) -> None:
    for index in ARGUMENTS[call]:
        assert lookup.argument_name(call, index)
    values = argument_values.of_way(("x86_64", call, (0,) * len(bits(call, exact=False))))
    assert len({value.name for value in values}) == len(values)


def test_of_many_values_the_first_ones_are_shown() -> None:
    ways = [("x86_64", "ioctl", (number,)) for number in range(7)]
    assert (
        argument_values.text(argument_values.of_ways(ways)) == "request 0 or 1 or 2 or 3 or 3 more"
    )
