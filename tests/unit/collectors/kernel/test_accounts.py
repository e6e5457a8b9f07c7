"""From records to rows: whose calls they are, which image, and how a process ended."""

from __future__ import annotations

from typing import Any

import pytest

from tracer import syscalls
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.accounts import KEPT, CallAccounts
from tracer.collectors.kernel.followed import decode_status
from tracer.model import HISTOGRAM_BUCKETS

NATIVE = syscalls.native_abi()
GETPPID = syscalls.number(NATIVE, "getppid")
READ = syscalls.number(NATIVE, "read")
EXIT_GROUP = syscalls.number(NATIVE, "exit_group")
ORIGIN = 1_000


def start(
    pid: int, at: int, parent: tuple[int, int] = (0, 0), tid: int | None = None
) -> wire.Start:
    ppid, parent_ns = parent
    thread_ns = at if tid is None else at + 1
    return wire.Start(5, 0, pid, tid or pid, ppid, 0, at, parent_ns, thread_ns)


def head(pid: int, at: int, **how: Any) -> wire.Head:
    """The head of a table of the process (pid, at); ``how`` replaces its fields."""
    plain = wire.Head(
        kind=1, end=wire.END_EXIT, flags=0, image=0, pid=pid, tid=pid, ppid=0, exit_code=0,
        process_ns=at, parent_ns=0, thread_ns=at, image_ns=at, end_ns=at + 500, returned=0,
        call_ns=0, call_nr=0, call_abi=0, slots=0, sigsys=0, comm=b"name\0junk", table=1,
        further=(0, 0, 0, 0), errnos=0,
    )  # fmt: skip
    return plain._replace(**how)


def slot(nr: int, calls: int = 0, errors: int = 0, blocked: int = 0, abi: int = 0) -> wire.Slot:
    histogram = (calls,) + (0,) * (HISTOGRAM_BUCKETS - 1)
    return wire.Slot(nr, abi, errors, blocked, 10 * calls, 1, 19, histogram)


def exec_(pid: int, at: int, image: int, argv: bytes, now: int, whole: int = -1) -> wire.Exec:
    whole = len(argv) if whole < 0 else whole
    return wire.Exec(image, pid, at, now, whole, b"/bin/" + argv.split(b"\0")[0], argv)


def ended(accounts: CallAccounts, head: wire.Head, *slots: wire.Slot, errnos: Any = ()) -> None:
    accounts.ended(wire.Table(head, tuple(errnos), slots))


LAST = wire.THREAD_LAST | wire.THREAD_GROUP_EXIT


def test_the_execve_of_the_command_is_where_time_begins() -> None:
    """Every instant counts from there."""
    accounts = CallAccounts()
    assert accounts.origin_ns is None
    accounts.started(start(7, ORIGIN))
    accounts.executed(exec_(7, ORIGIN, 0, b"true\0", ORIGIN))
    ended(accounts, head(7, ORIGIN, flags=LAST, end_ns=ORIGIN + 50))
    assert accounts.origin_ns == ORIGIN
    (process,) = accounts.processes()
    assert (process.start_ns, process.end_ns) == (0, 50)


def test_rows_carry_the_figures_of_their_slot() -> None:
    """Calls from the histogram; errors, blocked and times as they stand."""
    accounts = CallAccounts()
    ended(accounts, head(7, ORIGIN, flags=LAST, returned=5), slot(READ, 5, 2, 3))
    (row,) = accounts.take_final().stats
    assert (row.name, row.abi, row.calls, row.errors, row.blocked) == ("read", NATIVE, 5, 2, 3)
    assert (row.total_ns, row.min_ns, row.max_ns, row.unfinished) == (50, 1, 19, 0)
    assert accounts.returned == 5


def test_a_call_that_was_only_blocked_has_no_latency() -> None:
    """None, not the 2**64-1 that the table starts its minimum with."""
    accounts = CallAccounts()
    ended(accounts, head(7, ORIGIN), slot(READ, 0, blocked=3))
    (row,) = accounts.take_final().stats
    assert (row.calls, row.blocked) == (0, 3)
    assert (row.total_ns, row.min_ns, row.max_ns) == (None, None, None)


def test_calls_of_which_none_was_timed_are_counted_and_have_no_latency() -> None:
    """The kernel may skip the program at one end of each (since Linux 7.0)."""
    accounts = CallAccounts()
    untimed = slot(READ, 5)._replace(total_ns=0, min_ns=wire.NO_TIME_YET, max_ns=0)
    ended(accounts, head(7, ORIGIN), untimed)
    (row,) = accounts.take_final().stats
    assert (row.calls, row.total_ns, row.min_ns, row.max_ns) == (5, None, None, None)


def test_a_call_in_flight_is_unfinished() -> None:
    """With a row of its own, or on that of the calls that did return."""
    accounts = CallAccounts()
    ended(accounts, head(7, ORIGIN, call_ns=9, call_nr=READ), slot(READ, 5), slot(GETPPID, 1))
    ended(accounts, head(8, ORIGIN, call_ns=9, call_nr=EXIT_GROUP), slot(READ, 5))
    rows = {(row.pid, row.name): row for row in accounts.take_final().stats}
    assert (rows[7, "read"].calls, rows[7, "read"].unfinished) == (6, 1)
    assert (rows[7, "getppid"].calls, rows[7, "getppid"].unfinished) == (1, 0)
    assert (rows[8, "exit_group"].calls, rows[8, "exit_group"].unfinished) == (1, 1)
    assert rows[8, "exit_group"].total_ns is None
    assert rows[8, "read"].unfinished == 0


@pytest.mark.skipif(NATIVE != "x86_64", reason="these are the ABIs of x86-64")
def test_the_same_number_of_another_abi_is_another_row() -> None:
    """64 is semget, and getppid on i386; in flight is one of them."""
    accounts = CallAccounts()
    flying = head(7, ORIGIN, call_ns=9, call_nr=64, call_abi=1)
    ended(accounts, flying, slot(64, 2), slot(64, 3, abi=1), slot(syscalls.X32_BIT | 110, 1, abi=2))
    rows = {(row.abi, row.name): (row.calls, row.unfinished) for row in accounts.take_final().stats}
    assert rows == {("x86_64", "semget"): (2, 0), ("i386", "getppid"): (4, 1),
                    ("x32", "getppid"): (1, 0)}  # fmt: skip


def test_an_errno_of_kernel_and_filter_is_one_row_with_two_counts() -> None:
    accounts = CallAccounts()
    errnos = (
        wire.Errno(READ, 0, 1, blocked=False, count=2),
        wire.Errno(READ, 0, 1, blocked=True, count=3),
        wire.Errno(READ, 0, 512, blocked=False, count=1),
    )
    ended(accounts, head(7, ORIGIN), errnos=errnos)
    rows = {row.errno_name: (row.failed, row.blocked) for row in accounts.take_final().errors}
    assert rows == {"EPERM": (2, 3), "ERESTARTSYS": (1, 0)}


def test_what_overflowed_is_added_to_its_thread() -> None:
    """A whole syscall, and single errnos with or without the filter's mark."""
    accounts = CallAccounts()
    accounts.started(start(7, ORIGIN))
    key = wire.OverflowKey(ORIGIN, ORIGIN, 7, 7, 0, READ, 0, 0, 0)
    accounts.overflowed(
        [
            (key, slot(READ, 4, errors=3)),
            (key._replace(errno_blocked=13), slot(READ, errors=3)),
            (key._replace(errno_blocked=wire.ERRNO_BLOCKED | 13, nr=GETPPID), slot(0, errors=2)),
            (key._replace(nr=GETPPID), slot(GETPPID)),  # its only call was taken back
            (key._replace(errno_blocked=13, nr=GETPPID), slot(GETPPID)),
        ]
    )
    rows = accounts.take_final()
    (stat,) = rows.stats
    assert (stat.name, stat.calls, stat.process_id, stat.thread_id) == ("read", 4, 1, 1)
    assert {(e.name, e.errno, e.failed, e.blocked) for e in rows.errors} == {
        ("read", 13, 3, 0),
        ("getppid", 13, 0, 2),
    }


def test_a_pid_given_away_again_is_another_process() -> None:
    """The key is the pid and the start."""
    accounts = CallAccounts()
    accounts.started(start(7, ORIGIN))
    for at in (ORIGIN + 10, ORIGIN + 20):
        accounts.started(start(9, at, parent=(7, ORIGIN)))
        ended(accounts, head(9, at, flags=LAST), slot(GETPPID, 1))
    rows = accounts.processes()
    assert [(row.process_id, row.pid, row.parent_id) for row in rows] == [
        (1, 7, None),
        (2, 9, 1),
        (3, 9, 1),
    ]
    assert {row.process_id for row in accounts.take_final().stats} == {2, 3}


def test_each_exec_begins_an_image() -> None:
    """The old one ends then; figures, argv and exit status belong to one of them."""
    accounts = CallAccounts()
    accounts.started(start(7, ORIGIN))
    accounts.executed(exec_(7, ORIGIN, 0, b"sh\0-c\0", ORIGIN))
    ended(accounts, head(7, ORIGIN, end=wire.END_EXEC, end_ns=ORIGIN + 5), slot(READ, 1))
    accounts.executed(exec_(7, ORIGIN, 1, b"find\0", ORIGIN + 5))
    ended(accounts, head(7, ORIGIN, image=1, flags=LAST, exit_code=3 << 8), slot(READ, 2))
    first, second = accounts.processes()
    assert (first.argv, first.end_ns, first.exit_code) == (("sh", "-c"), 5, None)
    assert (second.argv, second.start_ns, second.exit_code) == (("find",), 5, 3)
    assert [row.calls for row in accounts.take_final().stats] == [1, 2]


def test_a_long_command_line_is_said_to_be_cut() -> None:
    accounts = CallAccounts()
    accounts.executed(exec_(7, ORIGIN, 0, b"sh\0-c", ORIGIN, whole=4_000_000))
    (process,) = accounts.processes()
    assert process.argv == ("sh", "-c")
    assert process.argv_truncated


def test_bytes_that_are_not_utf_8_survive() -> None:
    accounts = CallAccounts()
    accounts.executed(exec_(7, ORIGIN, 0, b"\xff\0", ORIGIN))
    (process,) = accounts.processes()
    assert process.argv == ("\udcff",)
    assert process.executable == "/bin/\udcff"


@pytest.mark.parametrize(
    ("leader", "other", "expected"),
    [
        # A signal, or exit_group by any thread: the status of the group.
        ((wire.THREAD_GROUP_EXIT, 9), (LAST, 9), (None, 9)),
        # The leader leaves by pthread_exit, another thread is the last one.
        ((0, 0), (wire.THREAD_LAST, 31), (0, None)),
        ((wire.THREAD_LAST, 5 << 8), (0, 0), (5, None)),
    ],
)
def test_how_a_process_of_two_threads_ended(
    leader: tuple[int, int], other: tuple[int, int], expected: tuple[int | None, int | None]
) -> None:
    """As its parent learns it from wait: by the group if it was ended, else by the leader."""
    accounts = CallAccounts()
    ends = [(7, *leader), (8, *other)]
    for tid, flags, code in sorted(ends, key=lambda end: end[1] & wire.THREAD_LAST):
        ended(accounts, head(7, ORIGIN, tid=tid, thread_ns=tid, flags=flags, exit_code=code))
    (process,) = accounts.processes()
    assert (process.exit_code, process.term_signal) == expected


def test_rows_are_handed_on_once_and_their_sums_stay() -> None:
    """What is final is not kept; the totals hold it, and what live threads did so far."""
    accounts = CallAccounts()
    ended(accounts, head(7, ORIGIN, flags=LAST), slot(READ, 5, 1))
    assert len(accounts.take_final().stats) == 1
    assert accounts.take_final().stats == []
    live = accounts.live([wire.Table(head(8, ORIGIN, end=wire.END_SNAPSHOT), (), (slot(READ, 2),))])
    (row,) = accounts.totals(live).stats
    assert (row.calls, row.errors, row.total_ns, row.min_ns, row.max_ns) == (7, 1, 70, 1, 19)
    (again,) = accounts.totals(live).stats
    assert again.calls == 7


def test_a_process_that_goes_on_is_in_no_final_row() -> None:
    """Its row comes with the live ones until its last thread has ended."""
    accounts = CallAccounts()
    accounts.started(start(7, ORIGIN))
    assert [row.end_ns for row in accounts.live([]).processes] == [None]
    assert accounts.take_final().processes == []
    ended(accounts, head(7, ORIGIN, flags=LAST))
    assert accounts.live([]).processes == []
    assert len(accounts.take_final().processes) == 1


def test_a_child_runs_what_its_parent_ran_until_it_execs() -> None:
    accounts = CallAccounts()
    accounts.executed(exec_(7, ORIGIN, 0, b"sh\0", ORIGIN))
    accounts.started(start(9, ORIGIN + 1, parent=(7, ORIGIN)))
    assert accounts.executable_of(refused(9, ORIGIN + 1, 0)) == "/bin/sh"
    accounts.executed(exec_(9, ORIGIN + 1, 1, b"find\0", ORIGIN + 2))
    assert accounts.executable_of(refused(9, ORIGIN + 1, 1)) == "/bin/find"
    assert accounts.executable_of(refused(9, ORIGIN + 1, 0)) == "/bin/sh"
    assert accounts.executable_of(refused(1, 1, 0)) is None
    # What the parent execs later is not what the child was made of.
    accounts.executed(exec_(7, ORIGIN, 1, b"make\0", ORIGIN + 3))
    assert accounts.executable_of(refused(9, ORIGIN + 1, 0)) == "/bin/sh"
    accounts.started(start(10, ORIGIN + 4, parent=(9, ORIGIN + 1)))
    assert accounts.executable_of(refused(10, ORIGIN + 4, 0)) == "/bin/find"


def refused(pid: int, process_ns: int, image: int) -> wire.BlockedKey:
    """The key of a refused call of a process's first thread."""
    return wire.BlockedKey(
        process_ns, process_ns, pid, pid, image, 57, 0, 0, 0, 0, 0, 0, (0, 0, 0, 0, 0, 0)
    )


def blocked_key(pid: int, at: int) -> wire.BlockedKey:
    return wire.BlockedKey(at, at, pid, pid, 0, READ, 0, 0, 0, -1, 0, 0, (0,) * 6)


def test_a_refused_call_that_is_read_before_the_start_of_its_process_takes_no_parent_from_it() -> (
    None
):
    """The map of refused calls runs ahead of the ring buffer; so may the tables. Whose child it
    is and what it runs is filled in when the start is read."""
    accounts = CallAccounts()
    accounts.started(start(7, ORIGIN))
    accounts.executed(exec_(7, ORIGIN, 0, b"sh\0", ORIGIN))
    identity = accounts.identity(blocked_key(9, ORIGIN + 20))
    accounts.identity(blocked_key(8, ORIGIN + 10))
    assert accounts.executable_of(blocked_key(8, ORIGIN + 10)) is None
    accounts.started(start(8, ORIGIN + 10, parent=(7, ORIGIN)))
    accounts.started(start(9, ORIGIN + 20, parent=(8, ORIGIN + 10)))
    parents = {process.pid: (process.ppid, process.parent_id) for process in accounts.processes()}
    ids = {process.pid: process.process_id for process in accounts.processes()}
    assert parents == {7: (None, None), 8: (7, ids[7]), 9: (8, ids[8])}
    assert ids[9] == identity[0]
    for pid, at in ((8, ORIGIN + 10), (9, ORIGIN + 20)):
        assert accounts.executable_of(blocked_key(pid, at)) == "/bin/sh"


def test_a_table_tells_the_parent_where_the_record_of_the_start_was_lost() -> None:
    accounts = CallAccounts()
    accounts.started(start(7, ORIGIN))
    accounts.identity(blocked_key(8, ORIGIN + 10))
    ended(accounts, head(8, ORIGIN + 10, flags=LAST, ppid=7, parent_ns=ORIGIN))
    command, child = accounts.processes()
    assert (child.pid, child.ppid, child.parent_id) == (8, 7, command.process_id)


def test_a_long_build_does_not_fill_the_memory() -> None:
    """Ended processes are forgotten, the oldest first, unless a call of theirs was refused."""
    accounts = CallAccounts()
    n_processes = KEPT + 101
    for number in range(n_processes):
        accounts.started(start(7, ORIGIN + number))
        if number == 5:
            accounts.identity(refused(7, ORIGIN + number, 0))
        ended(accounts, head(7, ORIGIN + number, flags=LAST))
    kept = {process.process_id for process in accounts.processes()}
    assert len(kept) == KEPT + 1
    assert 6 in kept
    assert len(accounts.take_final().processes) == n_processes


@pytest.mark.parametrize(
    ("status", "expected"),
    [(None, (None, None)), (0, (0, None)), (7 << 8, (7, None)), (9, (None, 9)),
     (0x80 | 11, (None, 11))],
)  # fmt: skip
def test_a_wait_status_is_a_code_or_a_signal(
    status: int | None, expected: tuple[int | None, int | None]
) -> None:
    """0x80 says that there is a core file, too."""
    assert decode_status(status) == expected
