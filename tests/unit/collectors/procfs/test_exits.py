"""Messages of taskstats as the kernel lays them out, and whose peaks they are."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import NOBODY
from tracer.collectors.procfs import exits
from tracer.collectors.procfs.exits import ExitPeaks

AGGR_PID, STATS, PID = 4, 3, 1  # linux/taskstats.h
ROOT, STRANGER, KIB = 100, 999, 1024
# struct taskstats, its offsets by name: ac_pid, ac_ppid, hiwater_rss, hiwater_vm
AC_PID, AC_PPID, HIWATER_RSS, HIWATER_VM, SIZE = 128, 132, 200, 208, 328


def attribute(kind: int, payload: bytes) -> bytes:
    text = struct.pack("=HH", 4 + len(payload), kind) + payload
    return text + b"\0" * (-len(text) % 4)


def stats(pid: int, parent: int, rss_kib: int, vm_kib: int, size: int = SIZE) -> bytes:
    data = bytearray(max(size, SIZE))
    struct.pack_into("=II", data, AC_PID, pid, parent)
    struct.pack_into("=QQ", data, HIWATER_RSS, rss_kib, vm_kib)
    return bytes(data[:size])


def message(*bodies: bytes, kind: int = AGGR_PID) -> bytes:
    nested = [attribute(kind, attribute(PID, b"\1\0\0\0") + attribute(STATS, b)) for b in bodies]
    return bytes(16 + 4) + b"".join(nested)


class Line:
    """A socket that gives what was put into it, then nothing, or an error."""

    def __init__(self, *given: bytes | OSError) -> None:
        self.given = list(given)
        self.closed = False

    def recv(self, _size: int) -> bytes:
        if not self.given:
            raise BlockingIOError
        found = self.given.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def close(self) -> None:
        self.closed = True


def peaks(monkeypatch: pytest.MonkeyPatch, *given: bytes | OSError) -> ExitPeaks:
    monkeypatch.setattr(exits, "_listen", lambda: Line(*given))
    return ExitPeaks(os.getpid(), (ROOT,))


def test_the_peaks_of_the_root_are_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = peaks(monkeypatch, message(stats(ROOT, 1, 1009, 1013)))
    assert (found.rss_bytes, found.vm_bytes) == (None, None)
    found.drain()
    assert (found.rss_bytes, found.vm_bytes) == (1009 * KIB, 1013 * KIB)
    assert found.untold is None


def test_each_peak_is_the_largest_of_any_process(monkeypatch: pytest.MonkeyPatch) -> None:
    found = peaks(
        monkeypatch,
        message(stats(ROOT + 1, ROOT, 7, 1013), stats(ROOT + 2, ROOT, 1009, 5)),
        message(stats(ROOT, 1, 11, 13)),
    )
    found.drain()
    assert (found.rss_bytes, found.vm_bytes) == (1009 * KIB, 1013 * KIB)


def test_strangers_are_not_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    found = peaks(monkeypatch, message(stats(STRANGER, STRANGER + 1, 1009, 1013)))
    found.drain()
    assert found.rss_bytes is None


def test_our_own_children_are_of_the_target_for_orphans_come_to_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = peaks(monkeypatch, message(stats(STRANGER, os.getpid(), 1009, 1013)))
    found.drain()
    assert found.rss_bytes == 1009 * KIB


def test_a_grandchild_that_is_told_before_its_parent_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither was ever sampled: the grandchild is ours by its parent, the parent by the root."""
    found = peaks(
        monkeypatch,
        message(stats(ROOT + 2, ROOT + 1, 1009, 1013)),
        message(stats(ROOT + 1, ROOT, 3, 5)),
    )
    found.drain()
    assert found.rss_bytes == 1009 * KIB


def test_what_is_known_to_be_alive_is_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    found = peaks(monkeypatch, message(stats(STRANGER, 1, 1009, 1013)))
    found.know([STRANGER])
    found.drain()
    assert found.rss_bytes == 1009 * KIB


def test_threads_without_memory_are_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    found = peaks(monkeypatch, message(stats(ROOT, 1, 0, 0)))
    found.drain()
    assert found.rss_bytes is None


def test_what_is_too_small_to_be_counted_has_its_address_space_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel's count of few pages reads 0; one that is larger settles it."""
    heard = peaks(monkeypatch, message(stats(ROOT, 1, 0, 16)))
    heard.drain()
    assert (heard.rss_bytes, heard.vm_bytes, heard.untold) == (None, 16 * KIB, None)
    assert heard.is_small
    heard = peaks(monkeypatch, message(stats(ROOT, 1, 0, 16), stats(101, ROOT, 900, 12)))
    heard.drain()
    assert (heard.rss_bytes, heard.vm_bytes) == (900 * KIB, 16 * KIB)
    assert not heard.is_small


def test_other_messages_and_older_kernels_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stats(ROOT, 1, 1009, 1013)
    short = message(stats(ROOT, 1, 1009, 1013, size=HIWATER_VM + 7))
    found = peaks(monkeypatch, message(whole, kind=AGGR_PID + 1), short)
    found.drain()
    assert found.rss_bytes is None
    enough = peaks(monkeypatch, message(stats(ROOT, 1, 1009, 1013, size=HIWATER_VM + 8)))
    enough.drain()
    assert enough.rss_bytes == 1009 * KIB


def test_a_line_that_lost_something_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then not every exit was heard of; what came before is kept."""
    found = peaks(
        monkeypatch, message(stats(ROOT, 1, 3, 5)), OSError(105, "ENOBUFS"), message(b"never read")
    )
    found.drain()
    assert (found.untold, found.rss_bytes) == (exits.OVERRUN, 3 * KIB)
    found.drain()
    found.close()


def test_a_line_that_says_nothing_is_one_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a network namespace of its own one may ask, and is told nothing."""
    found = peaks(monkeypatch, message(stats(ROOT, 1, 3, 5)))
    assert found.untold == exits.CONTAINED
    found.drain()
    assert found.untold is None


@pytest.mark.parametrize(
    ("error", "uid", "cause"),
    [
        (PermissionError(errno.EPERM, ""), NOBODY, exits.FORBIDDEN),
        (PermissionError(errno.EACCES, ""), NOBODY, exits.FORBIDDEN),
        (PermissionError(errno.EPERM, ""), 0, exits.CONTAINED),
        (OSError(errno.EINVAL, ""), 0, exits.CONTAINED),
        (OSError(errno.ENOENT, ""), 0, exits.CONTAINED),
        (KeyError("no family"), 0, exits.CONTAINED),
        (OSError(errno.EMFILE, ""), 0, exits.UNSAID),
        (TimeoutError(), 0, exits.UNSAID),
    ],
    ids=repr,
)
def test_where_nothing_is_told_the_cause_is_known(
    monkeypatch: pytest.MonkeyPatch, error: Exception, uid: int, cause: str
) -> None:
    def refused() -> NoReturn:
        raise error

    monkeypatch.setattr(exits, "_listen", refused)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    found = ExitPeaks(os.getpid(), (ROOT,))
    found.drain()
    assert (found.untold, found.rss_bytes, found.vm_bytes) == (cause, None, None)


def test_a_socket_on_which_nothing_will_be_told_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    class Kept(socket.socket):
        def __init__(self, *words: int) -> None:
            super().__init__(*words)
            made.append(self)

    def refuse(*_: object, **__: object) -> bytes:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", Kept)
    monkeypatch.setattr(exits, "_ask", refuse)
    with pytest.raises(PermissionError):
        exits._listen()
    assert [one.fileno() for one in made] == [-1]


FAMILY, SEQUENCE = 31, 1
ERROR, SOME_EXIT, ANSWER = 2, FAMILY, 16


def head(kind: int, sequence: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body


def asked(*answers: bytes) -> tuple[bytes, bytes]:
    """What is sent as a request with one attribute, and what is made of the answers."""
    ours, kernels = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, kernels:
        for answer in answers:
            kernels.send(answer)
        ours.setblocking(False)
        found = exits._ask(ours, FAMILY, 3, attribute(7, b"0-1\0"), flags=5)
        return kernels.recv(4096), found


def test_a_request_is_laid_out_as_netlink_has_it() -> None:
    request, _ = asked(head(ERROR, SEQUENCE, struct.pack("=i", 0)))
    assert request == struct.pack("=IHHIIBBH", 28, FAMILY, 5, SEQUENCE, 0, 3, 1, 0) + attribute(
        7, b"0-1\0"
    )


def test_an_exit_that_comes_before_the_answer_is_none() -> None:
    exit_, answer = head(SOME_EXIT, 0, b"none at all"), head(ANSWER, SEQUENCE, b"\0\0\0\0name")
    assert asked(exit_, answer)[1] == b"name"


def test_a_request_that_is_refused_is_an_error_with_the_kernels_number() -> None:
    with pytest.raises(PermissionError) as caught:
        asked(head(ERROR, SEQUENCE, struct.pack("=i", -1)))
    assert caught.value.errno == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = exits._KEPT
    many = [message(stats(10_000 + n, 5, 1, 1)) for n in range(kept + 7)]
    found = peaks(monkeypatch, *many, message(stats(ROOT, 1, 1, 1)))
    found.drain()
    assert len(found._strangers) == kept
    assert 10_000 not in found._strangers
    assert 10_000 + kept + 6 in found._strangers


@pytest.mark.parametrize("size", range(4))
def test_an_attribute_that_is_shorter_than_its_head_ends_the_message(size: int) -> None:
    whole = attribute(PID, b"1009")
    assert exits._attributes(whole + struct.pack("=HH", size, PID) + whole) == [(PID, b"1009")]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_or_hang(data: bytes) -> None:
    for text in (data, bytes(20) + data):
        assert isinstance(exits._exits(text), list)


@given(st.lists(st.tuples(st.integers(0, exits._NESTED), st.binary(max_size=9)), max_size=5))
def test_attributes_are_read_as_they_are_written(pairs: list[tuple[int, bytes]]) -> None:
    text = b"".join(exits._attribute(kind, payload) for kind, payload in pairs)
    assert text == b"".join(attribute(kind, payload) for kind, payload in pairs)
    assert exits._attributes(text) == pairs
