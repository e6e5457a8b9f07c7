"""Refused calls that look the same to a person are shown once."""

from __future__ import annotations

from tests.unit.report.records import blocked_call
from tracer.report.blocked import folded

N_FIRST, N_SECOND = 3, 20


def test_registers_that_a_call_does_not_take_do_not_tell_calls_apart() -> None:
    """getppid() takes no argument: what its registers held is no difference."""
    first = blocked_call(name="getppid", nr=110, args=(1, 2, 3, 4, 5, 6), count=N_FIRST, at_ns=10)
    second = first._replace(args=(9, 9, 9, 9, 9, 9), count=N_SECOND, at_ns=20, last_ns=90_000_000)
    (one,) = folded([second, first])
    assert (one.count, one.at_ns, one.last_ns) == (N_FIRST + N_SECOND, 10, 90_000_000)


def test_arguments_that_a_call_takes_do() -> None:
    """Two sockets of different families are two findings."""
    first = blocked_call(name="socket", nr=41, args=(1, 1, 0, 0, 0, 0))
    assert len(folded([first, first._replace(args=(2, 1, 0, 0, 0, 0))])) == 2
