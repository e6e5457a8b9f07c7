"""Readers of a ring buffer map: one for records in bulk, and libbpf's, which calls back for each.

The layout is the kernel's, kernel/bpf/ringbuf.c: a page with the position of the consumer, one
with that of the producer, and the data. The data is mapped twice in a row, so that no record is
torn at the end. Before each record stands its length. One bit of it says that the record is still
being written, another one that it was thrown away.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tracer.collectors.kernel.program import libbpf

if TYPE_CHECKING:
    from collections.abc import Callable

    Take = Callable[[bytes], bool]
    """Is given each record; true: no more for now."""

_HEADER_BYTES = 8
_BUSY, _DISCARDED = 1 << 31, 1 << 30  # linux/bpf.h: BPF_RINGBUF_BUSY_BIT, ..._DISCARD_BIT
_IN_ORDER = ("x86_64",)
"""Machines that keep loads in their order: a record is there once its length is. On others that
takes a barrier, which Python does not have and libbpf does."""


class Ring(Protocol):
    """The reading side of a ring buffer map."""

    def consume(self) -> None:
        """Hand over every record that waits, until ``take`` says stop."""

    def close(self) -> None:
        """Let go of the mappings; nothing is consumed any more."""


def opened(fd: int, take: Take) -> Ring:
    """Return the fastest reader that this machine allows. Raises OSError."""
    return MappedRing(fd, take) if os.uname().machine in _IN_ORDER else libbpf.Ring(fd, take)


class MappedRing:
    """A ring buffer that is read where it lies."""

    def __init__(self, fd: int, take: Take) -> None:
        """Raises OSError where the map cannot be mapped."""
        size, page = _bytes_of(fd), mmap.PAGESIZE
        self._take, self._mask = take, size - 1
        self._read = mmap.mmap(fd, page)
        self._written = mmap.mmap(fd, page + 2 * size, prot=mmap.PROT_READ, offset=page)
        self._consumer = memoryview(self._read).cast("Q")
        self._producer = memoryview(self._written)[:_HEADER_BYTES].cast("Q")
        self._lengths = memoryview(self._written)[page:].cast("I")

    def consume(self) -> None:
        """Hand over every record that waits, until ``take`` says stop."""
        consumer, producer, lengths = self._consumer, self._producer, self._lengths
        written, mask, take = self._written, self._mask, self._take
        to_body = mmap.PAGESIZE + _HEADER_BYTES
        at = consumer[0]
        while at < (end := producer[0]):
            while at < end:
                start = at & mask
                length = lengths[start >> 2]
                if length >= _BUSY:
                    return
                if length < _DISCARDED:
                    body = start + to_body
                    record = written[body : body + length]
                    at += (length + 15) & ~7
                    consumer[0] = at  # its room is the producer's from now on
                    if take(record):
                        return
                else:
                    at += (length - _DISCARDED + 15) & ~7
                    consumer[0] = at

    def close(self) -> None:
        """Let go of the mappings; nothing is consumed any more."""
        for view in (self._lengths, self._producer, self._consumer):
            view.release()
        self._written.close()
        self._read.close()


def _bytes_of(fd: int) -> int:
    """The size of the data, as proc(5) tells it of a map."""
    for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == "max_entries":
            return int(value)
    raise OSError(f"descriptor {fd} is no map of BPF")
