"""Refused calls as rows: which action it was, as far as it is certain, and how many alike."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.accounts import CallAccounts
from tracer.collectors.kernel.blocked import REGISTER_BYTES, BlockedCalls
from tracer.symbols import device_number

if TYPE_CHECKING:
    from tracer.model import BlockedCall

NATIVE = syscalls.native_abi()
CLONE = syscalls.number(NATIVE, "clone")
ORIGIN = 1_000
KEY = struct.Struct("=QQ8IqQQ6Q")
RETURN, SIGSYS, EXIT, LOG = (
    wire.BLOCKED_RETURN,
    wire.BLOCKED_SIGSYS,
    wire.BLOCKED_EXIT,
    wire.BLOCKED_LOG,
)


def key(how: int, ret: int = 0, pid: int = 7, args: tuple[int, ...] = (0,) * 6) -> bytes:
    sigsys = 1 if how == SIGSYS else 0
    return KEY.pack(ORIGIN, ORIGIN, pid, pid, 0, CLONE, 0, how, sigsys, 0, ret, 0x40, 0x7F, *args)


def rows(
    said: str, *counted: tuple[bytes, tuple[int, int, int]], texts: tuple[wire.Text, ...] = ()
) -> tuple[BlockedCall, ...]:
    """The rows under a profile that says ``said`` of every call; no stack was recorded."""
    accounts = CallAccounts()
    accounts.started(wire.Start(5, 0, 7, 7, 0, 0, ORIGIN, 0, ORIGIN))
    return BlockedCalls(lambda _abi, _nr, _args: said).rows(counted, texts, accounts)


@pytest.mark.parametrize(
    ("said", "how", "ret", "action", "errno"),
    [
        ("ERRNO", RETURN, -1, "ERRNO", 1),
        ("ERRNO", RETURN, 0, "ERRNO", 0),
        ("TRAP", SIGSYS, 0, "TRAP", None),
        ("KILL_PROCESS", SIGSYS, 0, "KILL_PROCESS", None),
        ("KILL_THREAD", SIGSYS, 0, "KILL_THREAD", None),
        # Nothing else ends one thread of several.
        ("KILL_THREAD", EXIT, 0, "KILL_THREAD", None),
        ("ALLOW", EXIT, 0, "KILL_THREAD", None),
        # What was seen is not what the profile does: somebody else did it.
        ("ALLOW", RETURN, -1, "unknown", None),
        ("ALLOW", SIGSYS, 0, "unknown", None),
        ("LOG", SIGSYS, 0, "unknown", None),
        ("TRAP", RETURN, -1, "unknown", None),
        ("KILL_PROCESS", RETURN, -38, "unknown", None),
        ("ERRNO", SIGSYS, 0, "unknown", None),
        ("ERRNO", RETURN, 5, "unknown", None),
        ("LOG", LOG, 0, "LOG", None),
    ],
)
def test_an_action_is_said_where_profile_and_kernel_agree(
    said: str, how: int, ret: int, action: str, errno: int | None
) -> None:
    """And only there; otherwise it is unknown."""
    (row,) = rows(said, (key(how, ret), (1, ORIGIN, ORIGIN)))
    assert (row.action, row.errno, row.name) == (action, errno, "clone")


@pytest.mark.parametrize("said", ["ALLOW", "ERRNO", "KILL_PROCESS"])
def test_a_call_is_logged_only_if_the_profile_logs_it(said: str) -> None:
    """The kernel's side looks at the number alone; the arguments may decide otherwise."""
    assert rows(said, (key(LOG), (3, ORIGIN, ORIGIN))) == ()


def test_the_profile_is_asked_with_abi_number_and_arguments() -> None:
    asked = []

    def decide(abi: str, nr: int, args: tuple[int, ...]) -> str:
        asked.append((abi, nr, args))
        return "ERRNO"

    counted = [(key(RETURN, -1, args=(1, 2, 3, 4, 5, 2**64 - 1)), (1, ORIGIN, ORIGIN))]
    BlockedCalls(decide).rows(counted, (), CallAccounts())
    assert asked == [(NATIVE, CLONE, (1, 2, 3, 4, 5, 2**64 - 1))]


def test_rows_come_by_time_with_their_counts() -> None:
    """First and last instant count from the start of the run."""
    late = (key(RETURN, -1, args=(2,) * 6), (1, ORIGIN + 90, ORIGIN + 90))
    early = (key(RETURN, -1, args=(1,) * 6), (23, ORIGIN + 10, ORIGIN + 60))
    first, second = rows("ERRNO", late, early)
    assert (first.args[0], first.count, first.at_ns, first.last_ns) == (1, 23, 10, 60)
    assert (second.args[0], second.count, second.at_ns) == (2, 1, 90)


def test_a_row_without_its_record_has_all_but_frames() -> None:
    """The ring buffer had no room for the stack: the count is right all the same."""
    (row,) = rows("ERRNO", (key(RETURN, -13, args=(9,) * 6), (5, ORIGIN, ORIGIN)))
    assert (row.count, row.errno, row.args, row.frames) == (5, 13, (9,) * 6, ())
    assert (row.pid, row.tid, row.process_id, row.thread_id) == (7, 7, 1, 1)
    assert row.instruction_pointer == 0x40


def test_a_call_with_other_paths_in_the_same_memory_has_a_row_for_each() -> None:
    """Counts and instants are each path's own; calls whose path had no room are a row without."""
    texts = (
        wire.Text((ORIGIN, 7), (b"/a",), 3, ORIGIN, ORIGIN + 30),
        wire.Text((ORIGIN, 7), (None,), 1, ORIGIN + 40, ORIGIN + 40),
        wire.Text((ORIGIN, 8), (b"/of another thread",), 9, ORIGIN, ORIGIN),
    )
    found = rows("ERRNO", (key(RETURN, -1), (6, ORIGIN, ORIGIN + 50)), texts=texts)
    assert {(row.paths, row.count, row.at_ns, row.last_ns) for row in found} == {
        ((), 2, 0, 50),
        (("/a",), 3, 0, 30),
        ((None,), 1, 40, 40),
    }


def test_a_path_that_was_cut_off_shows_it() -> None:
    longest = b"x" * (wire.TEXT_BYTES - 1)
    texts = (wire.Text((ORIGIN, 7), (longest, b"\xff"), 1, ORIGIN, ORIGIN),)
    (row,) = rows("ERRNO", (key(RETURN, -1), (1, ORIGIN, ORIGIN)), texts=texts)
    assert row.paths == ("x" * len(longest) + "…", "\udcff")


def mapped(kept: BlockedCalls, pid: int, image: int = 0) -> None:
    kept.mapped(wire.File(wire.RECORD_MAP, image, pid, 0, ORIGIN, 0, 0x1000, 0, 0, b"x.so", None))


def test_mappings_of_a_process_without_a_refusal_go_with_it() -> None:
    """Millions may come and go in one run."""
    kept = BlockedCalls(lambda _abi, _nr, _args: "ERRNO")
    for pid in (7, 8):
        mapped(kept, pid)
        kept.ended(pid, ORIGIN)
    assert not kept._maps


def test_a_child_begins_with_the_newest_mappings_of_its_parent_and_a_thread_has_none() -> None:
    kept = BlockedCalls(lambda _abi, _nr, _args: "ERRNO")
    mapped(kept, 7, image=0)
    mapped(kept, 7, image=1)
    kept.forked(wire.Start(5, 0, 9, 9, 7, 0, ORIGIN + 1, ORIGIN, ORIGIN + 1))
    kept.forked(wire.Start(5, 0, 7, 10, 7, 0, ORIGIN, ORIGIN, ORIGIN + 2))
    assert set(kept._maps) == {(7, ORIGIN), (9, ORIGIN + 1)}
    assert kept._maps[9, ORIGIN + 1] == {0: kept._maps[7, ORIGIN][1]}
    assert kept._maps[9, ORIGIN + 1][0] is not kept._maps[7, ORIGIN][1]


def test_frames_are_asked_for_with_the_file_that_the_program_was() -> None:
    """By its inode and device: what is at its path by now may be another one."""
    asked = []
    kept = BlockedCalls(lambda _abi, _nr, _args: "ERRNO")
    kept._namer = SimpleNamespace(frames=lambda raw: asked.append(raw) or ())  # type: ignore[assignment]
    numbers = (0, 7, 8 << 20 | 1, ORIGIN, 0, 0, 0, 4711)
    kept.mapped(wire.File(wire.RECORD_PROGRAM, *numbers, b"x", b"/usr/bin/x"))
    kept.mapped(wire.File(wire.RECORD_MAP, 0, 7, 0, ORIGIN, 0x1000, 0x1000, 0, 5, b"x.so", None))
    packed = key(RETURN, -1)
    kept.add(
        wire.Blocked(
            ORIGIN, packed, wire.blocked_key(packed), 1, 2, b"", bytes(REGISTER_BYTES), b""
        )
    )
    accounts = CallAccounts()
    accounts.started(wire.Start(5, 0, 7, 7, 0, 0, ORIGIN, 0, ORIGIN))
    kept.rows([(packed, (1, ORIGIN, ORIGIN))], (), accounts)
    (raw,) = asked
    assert (raw.executable, raw.executable_inode) == ("/usr/bin/x", 4711)
    assert raw.executable_device == device_number(8 << 20 | 1)
    assert [mapping.name for mapping in raw.mappings] == ["x.so"]
