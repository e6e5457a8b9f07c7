"""Events at which the kernel skips a program, as Linux 7.0 does where a task is preempted in it.

Here nothing is ever skipped, so the program is made as for such a kernel and not attached to what
is to be skipped: the counts are those of a run that saw everything, and what is made good is said.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.kernel.counting import counting, follow
from tracer import syscalls
from tracer.collectors.kernel.arguments import TABLES
from tracer.collectors.kernel.program import loaded as program_module
from tracer.collectors.kernel.program import offsets
from tracer.collectors.kernel.program.variant import AGAIN, RARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Programs
    from tracer.collectors.kernel.collector import KernelRecords

pytestmark = pytest.mark.kernel
CHILDREN, CALLS, FAILING = 5, 17, 7
SHORT = ("short_processes", CHILDREN, 1, CALLS, FAILING)
ENDED = 1 + CHILDREN
"""Processes of one thread, each of which ends in a call that never comes back."""


@pytest.fixture
def preemptible(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes programs as Linux 7.0 needs them, and leaves some unattached."""

    attached = program_module._attached

    def skip(*names: str) -> None:
        for module in (offsets, program_module):
            monkeypatch.setattr(module, "is_preemptible", lambda _release: True)
        monkeypatch.setattr(
            program_module,
            "_attached",
            lambda name, fd: [] if name in names else attached(name, fd),
        )

    return skip


def ran(programs: Programs, *words: object) -> tuple[int, KernelRecords]:
    """Count a test program from its execve to its end; return its wait status, too."""
    name, *arguments = map(str, words)
    with counting() as collector:
        status = follow(collector, programs[name], *arguments)
        return status, collector.stop()


def returned(records: KernelRecords) -> Counter[str]:
    """name -> calls that came back."""
    found = Counter[str]()
    for row in records.totals.stats:
        found[row.name] += row.calls - row.unfinished
    return +found


def noted(made: Counter[str]) -> int:
    """Of these calls, those whose arguments are recorded when nothing is skipped."""
    abi = syscalls.native_abi()
    numbers = TABLES[os.uname().machine][abi].values()
    return sum(made[syscalls.name(abi, number)] for number in chain.from_iterable(numbers))


def outline(records: KernelRecords) -> tuple[object, ...]:
    """Calls, errors, refusals and images: what is the same in each run of a test program."""
    calls, errors, blocked = Counter[object](), Counter[object](), Counter[object]()
    rows = [row for row in records.totals.stats if row.name != "futex"]  # by chance
    for row in rows:
        for what in ("calls", "errors", "blocked", "unfinished"):
            calls[row.name, row.image, what] += getattr(row, what)
    for error in records.totals.errors:
        errors[error.name, error.errno] += error.failed
    for call in records.blocked_calls:
        blocked[call.name, call.action, call.errno] += call.count
    images = sorted((p.process_id, p.image, p.exit_code, p.term_signal) for p in records.processes)
    threads = len({row.thread_id for row in records.totals.stats})
    return +calls, errors, blocked, images, threads, records.losses


@pytest.mark.parametrize(
    "words",
    [
        SHORT,
        ("exec_chain",),
        ("blocked_trap", "--self"),
        ("blocked_errno", "--self"),
        ("blocked_kill_thread", "--self"),
    ],
    ids=lambda words: words[0],
)
def test_a_rare_event_is_seen_once_by_whichever_of_its_two_programs(
    words: tuple[object, ...], programs: Programs, preemptible: Callable[..., None]
) -> None:
    status, expected = ran(programs, *words)
    for skipped in ((), RARE, [name + AGAIN for name in RARE]):
        preemptible(*skipped)
        again, records = ran(programs, *words)
        assert again == status
        assert outline(records) == outline(expected)


def test_a_call_of_which_the_entry_was_skipped_is_counted_at_its_exit(
    programs: Programs, preemptible: Callable[..., None]
) -> None:
    """With its error, and without its time: it stands in the first bucket."""
    _, expected = ran(programs, *SHORT)
    preemptible("sys_enter")
    _, records = ran(programs, *SHORT)
    made = returned(expected)
    assert returned(records) == made
    failed = {(e.name, e.errno): e.failed for e in expected.totals.errors}
    assert {(e.name, e.errno): e.failed for e in records.totals.errors} == failed
    timed = made["execve"]  # it begins in the program for execs
    assert {loss.kind: loss.count for loss in records.losses} == {
        "untimed_calls": made.total() - timed,
        "lost_arguments": noted(made),
    }
    assert sum(row.unfinished for row in records.totals.stats) == 0
    assert sum(row.histogram[0] for row in records.totals.stats) >= made.total() - timed
    assert {row.total_ns for row in records.totals.stats if row.name == "getppid"} == {None}


def test_a_call_of_which_the_exit_was_skipped_is_counted_at_the_next_entry(
    programs: Programs, preemptible: Callable[..., None]
) -> None:
    """Its error is not known. The last one of a thread has no next one."""
    _, expected = ran(programs, *SHORT)
    preemptible("sys_exit")
    _, records = ran(programs, *SHORT)
    made = returned(expected)
    assert returned(records) == made
    assert records.totals.errors == []
    assert {loss.kind: loss.count for loss in records.losses} == {
        "untold_results": made.total(),
        "lost_arguments": noted(made),
    }
    assert sum(row.unfinished for row in records.totals.stats) == ENDED
    assert {row.total_ns for row in records.totals.stats if row.name == "getppid"} == {None}


def test_refusals_are_no_calls_of_which_the_entry_was_skipped(
    programs: Programs, preemptible: Callable[..., None]
) -> None:
    """What every filter of the task always allows was made; the others came to no entry."""
    words = ("blocked_errno", "--self")
    _, expected = ran(programs, *words)
    preemptible("sys_enter")
    _, records = ran(programs, *words)
    assert returned(records) == returned(expected)
    assert outline(records)[2] == outline(expected)[2]
