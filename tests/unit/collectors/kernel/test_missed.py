"""What the kernel skipped is a loss only where nothing made it good."""

from __future__ import annotations

import pytest

from tracer.collectors.kernel.missed import unrecorded
from tracer.collectors.kernel.program.offsets import is_preemptible
from tracer.collectors.kernel.program.variant import AGAIN, RARE

TWICE = {name + AGAIN: 0 for name in RARE}
"""Rare events have a second program, and none of these was skipped."""


@pytest.mark.parametrize(
    ("misses", "made_good", "lost"),
    [
        ({"sys_enter": 3}, {}, 0),
        ({"sys_exit": 3}, {}, 0),
        ({"sys_enter": 3, "sys_exit": 2}, {}, 2),
        ({"sys_enter": 3, "sys_exit": 2}, {"starts": 2}, 1),
        ({"sys_enter": 3, "sys_exit": 2}, {"results": 2}, 0),
        ({"sys_enter": 3}, {"doubtful": 2}, 2),
        ({"sys_enter": 3}, {"doubtful": 9, "starts": 3}, 0),
        ({"sched_process_fork": 4}, {}, 0),
        ({"sched_process_fork": 4, "sched_process_fork_again": 1}, {}, 1),
        ({"emulate_vsyscall": 2}, {}, 2),
    ],
)
def test_a_miss_is_a_loss_only_where_the_other_end_or_program_missed_it_too(
    misses: dict[str, int], made_good: dict[str, int], lost: int
) -> None:
    """Misses are of the whole machine: most are other tasks' events."""
    none = {"starts": 0, "results": 0, "doubtful": 0}
    assert unrecorded({**TWICE, **misses}, **{**none, **made_good}, filtered=False) == lost


def test_a_refused_call_has_an_exit_alone_so_each_that_was_missed_may_be_one() -> None:
    none = {"starts": 0, "doubtful": 0}
    assert unrecorded({**TWICE, "sys_exit": 5}, **none, results=2, filtered=True) == 3


@pytest.mark.parametrize("name", ["sys_enter", "sys_exit", *RARE])
def test_where_the_program_makes_nothing_good_each_miss_is_a_loss(name: str) -> None:
    """As on kernels that preempt nobody in it, where rare events have one program."""
    assert unrecorded({name: 3}, starts=0, results=0, doubtful=0, filtered=False) == 3


@pytest.mark.parametrize(
    ("release", "preemptible"),
    [
        ("6.19.14", False),
        ("7.0.0-rc1", True),
        ("7.3.4+deb13-amd64", True),
        ("10.1", True),
        ("", False),
    ],
)
def test_tasks_are_preempted_in_callbacks_from_linux_7_on(release: str, preemptible: bool) -> None:
    assert is_preemptible(release) is preemptible
