"""Where there is no room: what cannot be kept is counted, and nothing else is missing.

Each map is made as small as the test needs it, or filled before, so that what fits is known.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.kernel.counting import counting, follow
from tracer import syscalls
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.program.loaded import Program

if TYPE_CHECKING:
    from tests.support import Programs
    from tracer.collectors.kernel.collector import KernelRecords

pytestmark = pytest.mark.kernel
CHILDREN, CALLS, FAILING = 101, 17, 7
NOTES, NOTE_BYTES = 32768, 64
"""Children that can be noted at once (the map ``notes`` of bpf/sbtrace.c); more than one takes."""
EVENTS = (wire.RECORD_START, wire.RECORD_EXEC, wire.RECORD_MAP, wire.RECORD_PROGRAM)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Entries of the maps that are to have others than bpf/sbtrace.c gives them, by name."""
    wanted = dict[str, int]()
    create = libbpf.create_map

    def made(kind: int, name: str, sizes: tuple[int, int, int], *more: object, **by: object) -> int:
        sizes = (*sizes[:2], wanted.get(name, sizes[2]))
        return create(kind, name, sizes, *more, **by)  # type: ignore[arg-type]

    monkeypatch.setattr(libbpf, "create_map", made)
    return wanted


# ---- the ring buffer -----------------------------------------------------------------------


def tables(taken: list[bytes]) -> list[wire.Table]:
    return [wire.table(data) for data in taken if wire.kind_of(data) in wire.TABLES_END]


def calls(taken: list[bytes]) -> int:
    """Those that came back, and those in flight at an end."""
    heads = [table.head for table in tables(taken)]
    return sum(head.returned + bool(head.call_ns) for head in heads)


def events(taken: list[bytes]) -> int:
    return sum(wire.kind_of(data) in EVENTS for data in taken)


def combinations(taken: list[bytes]) -> int:
    """Of arguments, each of which the test programs make once in an image."""
    return sum(wire.kind_of(data) == wire.RECORD_VALUES for data in taken)


def unread(*command: object) -> tuple[list[bytes], dict[str, int]]:
    """What the ring buffer holds after a command in which nobody read it, and the losses."""
    taken: list[bytes] = []
    program = Program(taken.append)
    try:
        program.attach()
        with program._records._lock:
            follow(program, *map(str, command))
        program.consume()
        return taken, {name: count for name, count in program.losses().items() if count}
    finally:
        program.close()


@pytest.mark.parametrize(
    "words", [("short_processes", CHILDREN, 1, CALLS, FAILING), ("exec_chain",), ("blocked_kill",)]
)
def test_what_the_ring_buffer_has_no_room_for_is_counted_by_kind(
    words: tuple[object, ...], programs: Programs, room: dict[str, int]
) -> None:
    """Tables, the calls in them, and all that tells of starts, images and files."""
    command = (programs[str(words[0])], *words[1:])
    whole, nothing = unread(*command)
    assert nothing == {}
    room["records"] = os.sysconf("SC_PAGE_SIZE")
    some, losses = unread(*command)
    missing = {
        "lost_tables": len(tables(whole)) - len(tables(some)),
        "lost_calls": calls(whole) - calls(some),
        "lost_events": events(whole) - events(some),
        "lost_arguments": combinations(whole) - combinations(some),
    }
    assert losses == {name: count for name, count in missing.items() if count}
    assert losses["lost_calls"] > 0
    assert "lost_events" in losses or words[0] != "short_processes"


# ---- children ------------------------------------------------------------------------------


def test_children_that_cannot_be_noted_are_counted_and_not_followed(programs: Programs) -> None:
    """None of their calls is taken for the parent's, and the parent's own are all there."""
    with counting() as collector:
        for key in range(NOTES):
            libbpf.update(collector._program._maps["notes"], ~key & 0xFFFFFFFF, bytes(NOTE_BYTES))
        follow(collector, programs["short_processes"], str(CHILDREN), "1", str(CALLS))
        records = collector.stop()
    assert losses_of(records) == {"unfollowed_children": CHILDREN}
    made = calls_of(records)
    assert (made["clone"], made["wait4"], made["getppid"]) == (CHILDREN, CHILDREN, 0)
    assert len(records.processes) == 1


def losses_of(records: KernelRecords) -> dict[str, int]:
    return {loss.kind: loss.count for loss in records.losses}


def calls_of(records: KernelRecords) -> Counter[str]:
    found = Counter[str]()
    for row in records.totals.stats:
        found[row.name] += row.calls
    return found


# ---- tables --------------------------------------------------------------------------------

UNNAMED = [
    nr for nr in range(512) if syscalls.name(syscalls.native_abi(), nr).startswith("syscall_0x")
]
"""Numbers that no syscall has, of those that a thread's own table is for: more than it holds."""
EACH = 2


def test_the_last_slots_of_a_thread_hold_no_others_calls() -> None:
    """So many distinct numbers that its own table, the further ones and `overflow` are in use."""
    assert len(UNNAMED) > wire.SLOTS * (1 + wire.FURTHER)
    with counting() as collector:
        follow(collector, sys.executable, "-ISc", made_of(UNNAMED * EACH))
        records = collector.stop()
    found = {row.nr: (row.calls, row.errors) for row in records.totals.stats if row.nr in UNNAMED}
    assert found == dict.fromkeys(UNNAMED, (EACH, EACH))
    errors = {e.nr: (e.errno_name, e.failed) for e in records.totals.errors if e.nr in UNNAMED}
    assert errors == dict.fromkeys(UNNAMED, ("ENOSYS", EACH))
    assert losses_of(records) == {}


def made_of(numbers: list[int]) -> str:
    """A program in Python that calls them."""
    return f"import ctypes\ncall = ctypes.CDLL(None).syscall\nfor nr in {numbers}: call(nr)"


def test_calls_beyond_all_tables_are_counted_as_lost(room: dict[str, int]) -> None:
    """Of numbers that no table is for, `overflow` has room for one, and then for no errno."""
    room["overflow"] = 1
    beyond = range(601, 608)
    with counting() as collector:
        follow(collector, sys.executable, "-ISc", made_of([*beyond] * EACH))
        records = collector.stop()
    found = {row.nr: row.calls for row in records.totals.stats if row.nr in beyond}
    assert found == {601: EACH}
    lost = losses_of(records)
    assert lost == {"overflow_calls": EACH * (len(beyond) - 1)}


def test_errors_beyond_all_tables_are_counted_as_lost(room: dict[str, int]) -> None:
    """A call that is lost takes its error with it, and none is counted as another one."""
    command = (sys.executable, "-ISc", made_of(UNNAMED * EACH))
    with counting() as collector:
        follow(collector, *command)
        whole = collector.stop()
    room["overflow"] = 1
    with counting() as collector:
        follow(collector, *command)
        some = collector.stop()
    lost = losses_of(some)
    assert set(lost) == {"overflow_calls", "overflow_errnos"}
    assert calls_of(some).total() + lost["overflow_calls"] == calls_of(whole).total()
    unnamed = calls_of(whole) - calls_of(some)
    errors = failed(some).total() + lost["overflow_errnos"] + unnamed.total()
    assert errors == failed(whole).total()
    assert failed(some) <= failed(whole)
    assert calls_of(some) <= calls_of(whole)


def failed(records: KernelRecords) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for row in records.totals.errors:
        found[row.name, row.errno_name] += row.failed
    return found
