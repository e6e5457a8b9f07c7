"""Conditions for a person: values by their names, those of one argument together."""

from __future__ import annotations

import pytest

from tracer.report import conditions


def told(call: str, *cases: tuple[str, ...], whole: bool = False) -> list[str]:
    found = conditions.grouped(call, [("allow", case) for case in cases], whole=whole)
    return [condition for _answer, condition in found]


@pytest.mark.parametrize(
    ("call", "cases", "text"),
    [
        ("socket", [("arg0 & 0xffffffff == 1",), ("arg0 & 0xffffffff == 2",)],
         "domain == AF_UNIX or AF_INET"),
        ("socket", [("arg0 == 1",)], "arg0 == AF_UNIX"),
        ("socket", [("arg1 & 0xf == 1",)], "type & 0xf == SOCK_STREAM"),
        ("socket", [("arg1 & 0xff == 44",)], "arg1 & 0xff == 44"),
        ("mmap", [("arg2 & 0x6 == 4",), ("arg2 & 0x6 == 0",)],
         "prot & PROT_WRITE|PROT_EXEC == PROT_EXEC or 0"),
        ("clone", [("arg0 & 0x7e020000 == 0",)], "arg0 & 0x7e020000 == 0"),
        ("read", [("arg2 & 0xffffffff00000000 == 0",)], "arg2 & 0xffffffff00000000 == 0"),
        ("setsockopt", [("arg1 & 0xffffffff == 6", "arg2 & 0xffffffff == 1")],
         "level == SOL_TCP and optname == TCP_NODELAY"),
        ("setsockopt", [("arg2 & 0xffffffff == 1",)], "optname == 1"),
        ("socket", [("arg0 & 0xffffffff == 2", "arg1 & 0xf == 2", "arg2 <= 17")],
         "domain == AF_INET and type & 0xf == SOCK_DGRAM and arg2 <= 17"),
        ("no_such_call", [("arg0 & 0xffffffff == 2",)], "arg0 & 0xffffffff == 2"),
    ],
)  # fmt: skip
def test_a_condition_is_said_by_names_where_they_mean_the_same(
    call: str, cases: list[tuple[str, ...]], text: str
) -> None:
    assert told(call, *cases) == [text]


def test_of_many_values_the_first_are_shown_unless_all_are_wanted() -> None:
    cases = [(f"arg0 & 0xffffffff == {number}",) for number in range(1, 12)]
    assert told("socket", *cases)[0].endswith(" or 3 more (--all)")
    assert told("socket", *cases, whole=True)[0].count(" or ") == 10
