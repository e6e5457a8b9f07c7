"""Records on their way out of the ring buffer: read at once, worked on as time allows.

A record is copied in a few microseconds, and takes fifty times that to be worked on: a thousand
threads that end at once must not fill the ring buffer while the first of them is looked at.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from tracer.collectors.kernel import ring as rings
from tracer.collectors.kernel import threads

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BYTES = 16 << 20
"""The most bytes of records that wait in memory; further ones wait in a file."""
MOST_SPILLED_BYTES = 1 << 30
"""The most bytes of records that wait in the file; further ones stay in the ring buffer."""
_READ_AT_ONCE = 4096
"""A target that makes records faster than they are read would never let us return."""
_FOLDER = "/var/tmp"  # noqa: S108 - on a disk as a rule; the file has no name there
_LENGTH_BYTES = 4
_FULL_S = 0.02
_NICE = -20
"""What is not read in time is lost; and it takes little time."""
_EVENTS = os.EFD_CLOEXEC | os.EFD_NONBLOCK


class Spill:
    """Records that wait in a file, first in, first out. Nothing is made before it is needed."""

    def __init__(self, folder: str = _FOLDER) -> None:
        self._folder = folder
        self._fd: int | None = None
        self._read = self.bytes = 0
        """Where the first record begins in the file, and where the last one ends."""

    def __bool__(self) -> bool:
        return self._read < self.bytes

    def add(self, data: bytes) -> bool:
        """Put one in; false where the file has no room."""
        whole = len(data).to_bytes(_LENGTH_BYTES, sys.byteorder) + data
        try:
            if self._fd is None:
                flags = os.O_TMPFILE | os.O_RDWR | os.O_EXCL | os.O_CLOEXEC
                self._fd = os.open(self._folder, flags, 0o600)
            is_whole = os.pwrite(self._fd, whole, self.bytes) == len(whole)
        except OSError:
            return False
        if is_whole:
            self.bytes += len(whole)
        return is_whole

    def take(self) -> bytes:
        """Take the first one out."""
        if self._fd is None:
            raise IndexError("no record waits in the file")
        length = os.pread(self._fd, _LENGTH_BYTES, self._read)
        data = os.pread(self._fd, int.from_bytes(length, sys.byteorder), self._read + _LENGTH_BYTES)
        self._read += _LENGTH_BYTES + len(data)
        if not self:
            self.close()
        return data

    def close(self) -> None:
        """Let go of the file, and of what is in it."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._read, self.bytes = None, 0, 0


class Records:
    """The reading side of the ring buffer. Raises OSError where the kernel says no.

    A thread reads it, which is woken when an eighth of it is full or tables are becoming few: it
    gets its turn also while the session is at work on thousands of rows.
    """

    def __init__(
        self,
        ring: int,
        read: Callable[[bytes], None],
        take: Callable[[bytes], None],
        kept_up: Callable[[], None],
    ) -> None:
        """``read`` is given each record as it leaves the ring buffer, ``take`` in its turn.

        ``kept_up`` is called whenever the ring buffer was read. It and ``read`` are called by one
        thread at a time, ``take`` only by whoever calls ``hand_over``.
        """
        self._ring = rings.opened(ring, self._add)
        self._read, self._take, self._kept_up = read, take, kept_up
        self._waiting: deque[bytes] = deque()
        self._spill = Spill()
        self._last: deque[bytes] = deque()  # what the file had no room for
        self._bytes = self._count = 0
        self._is_full = self._is_over = False
        self._failure: Exception | None = None
        self._lock = _thread.allocate_lock()
        self._ended = _thread.allocate_lock()
        self._more, self._end = (os.eventfd(0, _EVENTS) for _ in range(2))
        self._ended.acquire()
        threads.start(self._read_on, ring)

    @property
    def fd(self) -> int:
        """Readable when there is something to hand over."""
        return self._more

    def _read_on(self, ring: int) -> None:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            with suppress(OSError):  # of this thread alone, as Linux has it: setpriority(2)
                os.setpriority(os.PRIO_PROCESS, _thread.get_native_id(), _NICE)
            poll = select.poll()
            poll.register(ring, select.POLLIN)
            poll.register(self._end, select.POLLIN)
            while not self._is_over:
                poll.poll()
                self.read()
                if self._is_full:
                    time.sleep(_FULL_S)
        except Exception as error:  # noqa: BLE001 - raised where somebody hears it
            self._failure = error
        finally:
            self._ended.release()

    def read(self) -> None:
        """Empty the ring buffer, as far as there is room."""
        with self._lock:
            if self._is_over or self._is_full:
                return
            self._count = 0
            self._ring.consume()
            self._kept_up()
            if self._count:
                os.eventfd_write(self._more, 1)

    def hand_over(self, at_most_s: float) -> None:
        """Hand over the records that wait, or those that so much time is enough for.

        Without an end to the time, also what is in the ring buffer still.
        """
        until = time.monotonic() + at_most_s
        with suppress(BlockingIOError):
            os.eventfd_read(self._more)
        while time.monotonic() < until and (data := self._next()) is not None:
            self._take(data)
            if at_most_s == float("inf") and not self._waiting:
                self.read()
        if self._waiting or self._spill or self._last:
            os.eventfd_write(self._more, 1)
        if self._failure is not None:
            raise self._failure

    def _next(self) -> bytes | None:
        with self._lock:
            self._is_full = False
            if self._waiting:
                data = self._waiting.popleft()
                self._bytes -= len(data)
                return data
            if self._spill:
                return self._spill.take()
            return self._last.popleft() if self._last else None

    def close(self) -> None:
        """End the thread, and let go of the records that wait."""
        self._is_over = True
        os.eventfd_write(self._end, 1)
        self._ended.acquire()
        self._ring.close()
        os.close(self._more)
        os.close(self._end)
        self._spill.close()

    def _add(self, data: bytes) -> bool:
        self._read(data)
        self._count += 1
        if self._spill or self._last or self._bytes >= MOST_BYTES:
            self._put_aside(data)
        else:
            self._waiting.append(data)
            self._bytes += len(data)
        return self._is_full or self._count >= _READ_AT_ONCE

    def _put_aside(self, data: bytes) -> None:
        """Into the file; where that cannot be, it is the last one for now."""
        if self._last or not self._spill.add(data):
            self._last.append(data)
        self._is_full = bool(self._last) or self._spill.bytes >= MOST_SPILLED_BYTES
