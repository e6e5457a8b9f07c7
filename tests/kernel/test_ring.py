"""A ring buffer of the real kernel, read in bulk where it lies and by libbpf: the same records."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel.kernel_events import loaded
from tracer import syscalls
from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.ring import MappedRing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.kernel
PAGES = 16
BURST = 64
WORD = struct.Struct("=Q")


@pytest.fixture(scope="module")
def written() -> Iterator[Any]:
    """A program that writes BURST records at each getppid of this process."""
    call = syscalls.number(syscalls.native_abi(), "getppid") or 0
    program = loaded("bursts.c", PAGES=PAGES, BURST=BURST, PID=os.getpid(), CALL=call)
    yield program
    program.cleanup()


def collecting(records: list[bytes]) -> Callable[[bytes], bool]:
    """What takes records, and always wants more."""

    def take(data: bytes) -> bool:
        records.append(data)
        return False

    return take


def rounds(written: Any, read: Callable[[], None], times: int) -> int:
    """Have so many bursts written and read by turns; return how many records were lost."""
    for _ in range(times):
        os.getppid()
        read()
    return int(written["numbers"][1].value)


def told(records: list[bytes]) -> list[int]:
    """Of each record; those of nine words have the last one right."""
    for record in records:
        if len(record) > 8:
            first, last = (
                struct.unpack_from("=Q", record)[0],
                struct.unpack_from("=Q", record, 64)[0],
            )
            assert last == ~first & (1 << 64) - 1
    return [struct.unpack_from("=Q", record)[0] for record in records]


def expected(first: int, end: int) -> list[int]:
    return [number for number in range(first, end) if not (number % 5 == 3 and number % 2)]


@pytest.mark.parametrize("reader", [MappedRing, libbpf.Ring])
def test_each_record_comes_once_and_whole_over_many_turns_of_the_ring(
    written: Any, reader: Any
) -> None:
    """Those that were thrown away do not; the data ends in the middle of records."""
    first, lost = (int(written["numbers"][at].value) for at in range(2))
    taken: list[bytes] = []
    ring = reader(written["ring"].map_fd, collecting(taken))
    ring.consume()
    taken.clear()
    assert rounds(written, ring.consume, 200) == lost
    ring.close()
    end = int(written["numbers"][0].value)
    assert end - first == 200 * BURST  # 12 times what the ring has room for
    assert told(taken) == expected(first, end)


def test_whoever_wants_no_more_gets_the_rest_the_next_time(written: Any) -> None:
    first = int(written["numbers"][0].value)
    taken: list[bytes] = []

    def one_at_a_time(data: bytes) -> bool:
        taken.append(data)
        return True

    ring = MappedRing(written["ring"].map_fd, one_at_a_time)
    os.getppid()
    ring.consume()
    assert len(taken) == 1
    other: list[bytes] = []
    rest = libbpf.Ring(written["ring"].map_fd, collecting(other))
    rest.consume()  # the position is the map's, whoever reads
    assert told(taken + other) == expected(first, first + BURST)
    rest.close()
    ring.close()


def test_what_the_full_ring_had_no_room_for_is_not_made_up(written: Any) -> None:
    lost = int(written["numbers"][1].value)
    taken: list[bytes] = []
    ring = MappedRing(written["ring"].map_fd, collecting(taken))
    for _ in range(40):
        os.getppid()
    ring.consume()
    first = told(taken)[0]
    dropped = int(written["numbers"][1].value) - lost
    assert dropped > 0
    assert told(taken) == expected(first, first + 40 * BURST)[: len(taken)]
    taken.clear()
    os.getppid()
    ring.consume()
    end = int(written["numbers"][0].value)
    assert told(taken) == expected(end - BURST, end)
    ring.close()


def test_what_is_no_ring_buffer_is_an_error() -> None:
    with Path(os.devnull).open() as file, pytest.raises(OSError, match="no map of BPF"):
        MappedRing(file.fileno(), lambda _data: False)
