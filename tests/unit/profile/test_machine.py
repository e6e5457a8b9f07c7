"""What the kernel would not load is told by the instruction; how answers are read and ranked.

That the machine decides as the kernel does is for tests/kernel/test_machine.py.
"""

from __future__ import annotations

import struct

import pytest

from tracer.errors import FilterError
from tracer.profile import machine
from tracer.profile.verdicts import strictest, verdict

RETURN = (0x06, 0, 0, 0x7FFF0000)
ALLOW, LOG, TRACE, NOTIFY = 0x7FFF0000, 0x7FFC0000, 0x7FF00000, 0x7FC00000
ERRNO, TRAP, KILL_THREAD, KILL_PROCESS = 0x00050000, 0x00030000, 0, 0x80000000


def code(*instructions: tuple[int, int, int, int]) -> bytes:
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "1 to 4096 instructions, not 0"),
        (code(RETURN)[:7], "8 bytes an instruction, not of 7 bytes"),
        (code(*[RETURN] * 4097), "1 to 4096 instructions, not 4097"),
        (code((0x28, 0, 0, 0), RETURN), "instruction 0: code 0x28 is not for filters"),
        (code((0x20, 0, 0, 64), RETURN), "instruction 0: there is no word at 64"),
        (code((0x20, 0, 0, 2), RETURN), "instruction 0: there is no word at 2"),
        (code((0x60, 0, 0, 16), RETURN), "instruction 0: there is no word 16 of memory"),
        (code((0x60, 0, 0, 3), RETURN), "instruction 0: memory is read before it is written"),
        (code((0x34, 0, 0, 0), RETURN), "instruction 0: division by 0"),
        (code((0x64, 0, 0, 32), RETURN), "instruction 0: a shift by 32 bits"),
        (code((0x05, 0, 0, 1), RETURN), "instruction 0: a jump beyond the end"),
        (code((0x15, 1, 0, 1), RETURN), "instruction 0: a jump beyond the end"),
        (code((0x15, 0, 1, 1), RETURN), "instruction 0: a jump beyond the end"),
        (code(RETURN, (0x20, 0, 0, 0)), "instruction 1: a filter ends with a return"),
    ],
)
def test_what_the_kernel_would_not_load_is_named_by_its_instruction(
    data: bytes, message: str
) -> None:
    with pytest.raises(FilterError, match=message):
        machine.program(data)


def test_memory_that_only_one_way_has_written_may_not_be_read() -> None:
    """As check_load_and_stores of net/core/filter.c: all ways to an instruction count."""
    one_way = code((0x15, 0, 1, 1), (0x02, 0, 0, 0), (0x60, 0, 0, 0), RETURN)
    with pytest.raises(FilterError, match="instruction 2: memory is read"):
        machine.program(one_way)
    both = code((0x02, 0, 0, 0), (0x15, 0, 1, 1), (0x02, 0, 0, 0), (0x60, 0, 0, 0), RETURN)
    assert len(machine.program(both)) == 5


def test_a_division_by_a_register_that_is_0_ends_the_thread() -> None:
    found = machine.program(code((0x3C, 0, 0, 0), RETURN))
    assert machine.run(found, "x86_64", 1, (0,) * 6) == KILL_THREAD


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ALLOW, "allow"),
        (LOG, "log"),
        (TRACE | 7, "trace"),
        (NOTIFY, "user_notif"),
        (ERRNO | 1, "errno:EPERM"),
        (ERRNO, "errno:0"),
        (ERRNO | 0xFFFF, "errno:errno_4095"),
        (TRAP | 3, "trap"),
        (KILL_THREAD | 9, "kill_thread"),
        (KILL_PROCESS, "kill_process"),
        (0x12340000, "kill_process"),
    ],
)
def test_an_answer_is_read_as_the_kernel_reads_it(value: int, text: str) -> None:
    assert str(verdict(value)) == text


def test_of_stacked_filters_the_strictest_answers_and_of_equals_the_newest() -> None:
    ranked = [KILL_PROCESS, KILL_THREAD, TRAP, ERRNO | 1, NOTIFY, TRACE, LOG, ALLOW]
    for at, value in enumerate(ranked):
        assert strictest([*reversed(ranked[at:]), ALLOW]) == value
    assert strictest([ERRNO | 1, ERRNO | 2]) == ERRNO | 1
