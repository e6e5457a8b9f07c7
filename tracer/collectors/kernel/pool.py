"""Where the threads' tables lie: chunks of memory that are added as threads become more."""

from __future__ import annotations

import _thread
import mmap
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tracer.collectors.kernel import threads, wire
from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.program.variant import INNER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracer.collectors.kernel.program.artifact import MapShape

_CHUNKS = "chunks"
_RUN = 32
"""Elements that are put in as one: each takes a call. The program takes them one by one."""
_TICK_S = 0.0001
_LOW, _LOW_LATER = wire.CHUNK_TABLES - 64, 2 * wire.CHUNK_TABLES
"""When fewer are free there have to be more: few programs ever have 64 tasks at once, and one that
has a thousand can make another thousand before a busy machine gives sbtrace its turn."""


class Pool:
    """The elements of the pool. Every method raises OSError where the kernel says no."""

    def __init__(self, maps: Mapping[str, int], shapes: Mapping[str, MapShape]) -> None:
        """``maps``: the program's, by descriptor; ``shapes``: what they are like."""
        self._maps = maps
        self._like = shapes[INNER[_CHUNKS]]
        self._chunks = 0
        self._open: list[int] = []
        """A descriptor for each chunk. To open them by their ids would take CAP_SYS_ADMIN."""
        self._waits: list[_thread.LockType] = []
        self._failure: OSError | None = None
        self._mapped: dict[int, memoryview] = {}
        self._shared = mmap.mmap(maps["pool_state"], wire.POOL_STATE_BYTES)
        self._state = memoryview(self._shared)

    def begin(self) -> None:
        """Begin to put in the first chunk; ``settle`` ends it."""
        first = self._maps[INNER[_CHUNKS]]
        libbpf.update(first, wire.NO_TABLE, wire.no_table())
        self._put([os.dup(first)])
        self._fill(1)

    def settle(self) -> None:
        """Return when the first chunk is in its place. Raises OSError if it will not be."""
        self._await(0)

    def _await(self, number: int) -> None:
        while not self._is_there(number):
            if self._waits and not self._waits[-1].locked() and self._failure is not None:
                raise self._failure
            time.sleep(_TICK_S)

    def _is_there(self, number: int) -> bool:
        return libbpf.inner_map(self._maps[_CHUNKS], number) is not None

    def grow_if_low(self) -> None:
        """Add elements if there are few: as many as are in use, and at least two chunks.

        Where the kernel gives no more, the run goes on: what finds no table is counted as lost.
        """
        taken, whole, low = wire.pool_state(self._state)
        if whole - taken >= low:
            return
        wanted = min(max(2, taken // wire.CHUNK_TABLES), wire.CHUNKS - self._chunks)
        try:
            is_more = self._add(wanted)
        except OSError:
            is_more = False
        if not is_more:
            self._set(wire.POOL_LOW_AT, 0)  # that is all

    def _add(self, wanted: int) -> bool:
        """Add so many chunks, or those that there is memory for; false if there is none."""
        made = list(_made(self._like, wanted))
        if made:
            self._put(made)
            self._await(self._chunks + len(made) - 1)
            self._fill(len(made))
        return bool(made)

    def _put(self, made: list[int]) -> None:
        """Put chunks behind those that are there.

        They are there at once, but the kernel returns only after a grace period of RCU, some 16
        ms: a thread waits for that.
        """
        self._waits = [wait for wait in self._waits if wait.locked()]
        wait = _thread.allocate_lock()
        wait.acquire()
        self._open += made
        threads.start(self._put_and_wait, self._chunks, made, wait)
        self._waits.append(wait)

    def _put_and_wait(self, first: int, made: list[int], wait: _thread.LockType) -> None:
        try:
            libbpf.put_maps(self._maps[_CHUNKS], first, made)
        except OSError as error:
            self._failure = error
        finally:
            wait.release()

    def _fill(self, count: int) -> None:
        """Say that there are so many chunks more."""
        start = max(self._chunks * wire.CHUNK_TABLES, wire.NO_TABLE + 1)
        self._chunks += count
        end = self._chunks * wire.CHUNK_TABLES
        for first in range(start - start % _RUN, end, _RUN):
            begin = max(first, start)
            libbpf.push(self._maps["spares"], wire.spare(begin, first + _RUN - begin))
        self._set(wire.POOL_ALL_AT, end - 1)
        self._set(wire.POOL_LOW_AT, _LOW if self._chunks == 1 else _LOW_LATER)

    def _set(self, at: int, value: int) -> None:
        self._state[at : at + 8] = value.to_bytes(8, sys.byteorder)

    def close(self) -> None:
        """Let go of the memory that is shared with the program, before its descriptors go."""
        for wait in self._waits:
            wait.acquire()
        self._state.release()
        self._shared.close()
        while self._open:
            os.close(self._open.pop())

    def live_tables(self) -> Iterator[wire.Table]:
        """Yield the table of every followed thread that is alive, as it stands."""
        try:
            threads = _mapped(self._maps["threads"], wire.THREAD_BYTES * wire.THREADS)
            for head in wire.threads(threads):
                yield wire.live_table(head, self._element)
        finally:
            self._mapped.clear()  # nothing stays mapped: it counts as ours for as long

    def _element(self, index: int) -> memoryview:
        number, at = divmod(index, wire.CHUNK_TABLES)
        chunk = self._mapped.get(number)
        if chunk is None:
            size = wire.TABLE_BYTES * wire.CHUNK_TABLES
            chunk = self._mapped[number] = _mapped(self._open[number], size)
        return chunk[at * wire.TABLE_BYTES : (at + 1) * wire.TABLE_BYTES]


def _made(shape: MapShape, count: int) -> Iterator[int]:
    """Yield so many chunks, or those that there is memory for."""
    sizes = (shape.key_bytes, shape.value_bytes, shape.entries)
    with suppress(OSError):
        for _ in range(count):
            yield libbpf.create_map(shape.kind, INNER[_CHUNKS], sizes, shape.flags)


def _mapped(fd: int, size: int) -> memoryview:
    whole = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    return memoryview(mmap.mmap(fd, whole, mmap.MAP_SHARED, mmap.PROT_READ))[:size]
