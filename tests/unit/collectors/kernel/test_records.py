"""Records that were read and wait to be worked on."""

from __future__ import annotations

import math
import os
import select
from typing import TYPE_CHECKING

import pytest

from tracer.collectors.kernel import records
from tracer.collectors.kernel import ring as rings

if TYPE_CHECKING:
    from collections.abc import Callable


class Ring:
    """A ring buffer of which a test says what is in it."""

    def __init__(self, _fd: int, take: Callable[[bytes], bool]) -> None:
        self._take = take

    def consume(self) -> None:
        while HELD and not self._take(HELD.pop(0)):
            pass


HELD: list[bytes] = []


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> int:
    """A descriptor in its place: never readable."""
    monkeypatch.setattr(rings, "opened", Ring)
    HELD[:] = []
    reading, _writing = os.pipe()
    return reading


def is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def test_what_there_was_no_time_for_makes_it_readable_until_it_is_handed_over(ring: int) -> None:
    read: list[bytes] = []
    taken: list[bytes] = []
    made = records.Records(ring, read.append, taken.append, int)
    HELD[:] = [b"a", b"b"]
    made.read()
    assert read == [b"a", b"b"]
    made.hand_over(0)
    assert taken == []
    assert is_readable(made.fd)
    made.hand_over(60)
    assert taken == [b"a", b"b"]
    assert not is_readable(made.fd)


@pytest.fixture
def full(ring: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The same where two records of two bytes are all that there is room for in memory."""
    monkeypatch.setattr(records, "MOST_BYTES", 3)
    HELD[:] = LETTERS
    return ring


LETTERS = [b"aa", b"bb", b"", b"dd", b"ee"]


def test_what_there_is_no_room_for_in_memory_waits_in_a_file(full: int) -> None:
    """In its turn, and once more when that file is empty."""
    taken: list[bytes] = []
    made = records.Records(full, len, taken.append, int)
    for _ in range(2):
        HELD[:] = LETTERS
        made.read()
        assert HELD == []
        made.hand_over(0)
        assert is_readable(made.fd)
        made.hand_over(math.inf)
    assert taken == 2 * LETTERS
    assert not is_readable(made.fd)


def test_where_no_file_can_be_it_stays_in_the_ring_buffer(
    full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the one that was out already. And at the end all of it comes."""
    monkeypatch.setattr(records.Spill.__init__, "__defaults__", ("/proc/no/folder",))
    taken: list[bytes] = []
    made = records.Records(full, len, taken.append, int)
    made.read()
    made.read()
    assert LETTERS[3:] == HELD
    made.hand_over(math.inf)
    assert (taken, HELD) == (LETTERS, [])


def test_the_file_has_a_size_at_most(full: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_SPILLED_BYTES", 1)
    made = records.Records(full, len, len, int)
    made.read()
    made.read()
    assert LETTERS[3:] == HELD
