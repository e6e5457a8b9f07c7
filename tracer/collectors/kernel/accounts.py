"""From the program's records to rows: processes, their images, and what each thread called.

Pure: fed with the bytes of the ring buffer, it needs neither root nor a kernel.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from tracer import syscalls
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.followed import Followed, Image, ProcessKey, decode_status
from tracer.collectors.kernel.totals import CountRows, Totals
from tracer.model import HISTOGRAM_BUCKETS, Argument, Process, SyscallError, SyscallStat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEPT = 4096
"""Processes that are remembered after their end, for the summary and for late records."""
_EMPTY_HISTOGRAM = (0,) * HISTOGRAM_BUCKETS
_FOREIGN = {"x86_64": ("x86_64", "i386", "x32"), "arm64": ("arm64", "arm", "arm64")}


def abi_names() -> tuple[str, ...]:
    """Return the names of ABI_NATIVE, ABI_COMPAT and ABI_X32 on this machine."""
    return _FOREIGN[syscalls.native_abi()]


_Record: TypeAlias = (
    "wire.Start | wire.Exec | wire.Head | wire.OverflowKey | wire.BlockedKey | wire.Arguments"
)


class CallAccounts:
    """All that the ring buffer told of the target so far."""

    def __init__(self) -> None:
        self._abis = abi_names()
        self._followed: dict[ProcessKey, Followed] = {}
        self._over: deque[ProcessKey] = deque()
        self._processes = self._threads = 0
        self._final = CountRows()
        self._totals = Totals()
        self.origin_ns: int | None = None
        """Where every ``*_ns`` counts from, by the kernel's own clock: what the session says, or
        else the target's execve."""
        self.returned = 0
        """Calls that came back, in the tables written so far."""

    def started(self, start: wire.Start) -> None:
        """A process or a thread begins."""
        if self.origin_ns is None:
            self.origin_ns = start.process_ns
        followed = self._follow(start)
        self._thread_id(followed, start.thread_ns)
        followed.images.setdefault(start.image, Image(start.process_ns))

    def executed(self, exec_: wire.Exec) -> None:
        """An image begins."""
        if self.origin_ns is None:
            self.origin_ns = exec_.process_ns
        followed = self._follow(exec_)
        whole = len(exec_.argv) == exec_.whole_bytes
        arguments = exec_.argv.removesuffix(b"\0").split(b"\0") if exec_.argv else []
        image = followed.images.setdefault(exec_.image, Image(exec_.at_ns))
        image.start_ns = exec_.at_ns
        image.executable = os.fsdecode(exec_.filename)
        image.argv = tuple(map(os.fsdecode, arguments))
        image.argv_truncated = not whole

    def ended(self, table: wire.Table) -> None:
        """A thread, or its image, is over: its table is final."""
        head = table.head
        followed = self._follow(head)
        image = followed.images.setdefault(head.image, Image(head.image_ns))
        if head.tid == head.pid or image.comm is None:
            image.comm = _text(head.comm)
        if head.end == wire.END_EXEC:
            image.end_ns = head.end_ns
        if head.end == wire.END_EXIT:
            if head.tid == head.pid:
                followed.leader_status = head.exit_code
            if head.flags & wire.THREAD_GROUP_EXIT:
                followed.status = head.exit_code
            if head.flags & wire.THREAD_LAST:
                followed.ended = True
                image.end_ns = max(head.end_ns, image.end_ns or 0)
            if followed.ended and followed.status is None:
                followed.status = (
                    followed.leader_status
                )  # None while the leader's record is to come
        self.returned += head.returned
        over = [head.image] if head.end == wire.END_EXEC else []
        if followed.over:
            over = sorted(followed.images)
        self._finish(
            CountRows(
                self._rows(followed, table),
                self._error_rows(followed, table),
                self._ended_images(followed, over),
            )
        )
        if followed.over and head.flags & wire.THREAD_LAST:
            self._retire((head.pid, head.process_ns))

    def _ended_images(self, followed: Followed, numbers: list[int]) -> list[Process]:
        rows = []
        for number in numbers:
            image = followed.images[number]
            if not image.final:
                rows.append(self._process(followed, number, image))
            image.final = True
        return rows

    def _finish(self, rows: CountRows) -> None:
        self._final.extend(rows)
        self._totals.add(rows)

    def overflowed(self, pairs: Iterable[tuple[wire.OverflowKey, wire.Slot]]) -> None:
        """Take what was too much for a thread's own table: further syscalls and errnos."""
        for key, slot in pairs:
            if not (slot.errors or slot.blocked or any(slot.histogram)):
                continue  # its only call never returned
            followed = self._follow(key)
            where = (
                followed.process_id,
                key.pid,
                key.image,
                self._thread_id(followed, key.thread_ns),
            )
            if key.errno_blocked:
                blocked = bool(key.errno_blocked & wire.ERRNO_BLOCKED)
                number = key.errno_blocked & ~wire.ERRNO_BLOCKED
                errno = wire.Errno(key.nr, key.abi, number, blocked, slot.errors)
                self._finish(CountRows([], self._errnos(where, key.tid, (errno,))))
            else:
                self._finish(CountRows([self._stat(where, key.tid, slot, 0)]))

    def noted(self, record: wire.Arguments) -> None:
        """A combination of arguments; one that was told before is passed over."""
        followed = self._follow(record)
        key = (record.image, record.abi, record.nr)
        known = followed.combinations.setdefault(key, {})
        if record.values in known:
            return
        known[record.values] = len(known) + 1
        self._final.arguments += self._arguments(followed, record, known[record.values])

    def _arguments(
        self, followed: Followed, record: wire.Arguments, number: int
    ) -> Iterator[Argument]:
        abi = self._abis[record.abi]
        name = syscalls.name(abi, record.nr)
        where = (followed.process_id, record.pid, record.image, abi, record.nr, name)
        if not record.spec:
            yield Argument(*where, None, None, None)
        for place, value in zip(wire.noted(record.spec), record.values, strict=True):
            yield Argument(*where, number, place, value)

    def identity(self, key: wire.BlockedKey) -> tuple[int, int]:
        """Return (process_id, thread_id) of the thread behind a blocked call."""
        followed = self._follow(key)
        followed.wanted = True
        return followed.process_id, self._thread_id(followed, key.thread_ns)

    def executable_of(self, key: wire.BlockedKey) -> str | None:
        """Return the path of the program that made a blocked call."""
        return self._follow(key).executable(key.image)

    def processes(self) -> tuple[Process, ...]:
        """Return the images of the processes that are kept, in the order of their start.

        These are all that live, the last ``KEPT`` that ended, and those with a blocked call.
        """
        return tuple(
            self._process(followed, number, image)
            for followed in self._followed.values()
            for number, image in sorted(followed.images.items())
        )

    def take_final(self) -> CountRows:
        """Return the rows that became final since the last call; they are kept no longer."""
        taken, self._final = self._final, CountRows()
        return taken

    def live(self, tables: Iterable[wire.Table]) -> CountRows:
        """Return the rows that are not final: of ``tables``, which threads are still filling."""
        rows = CountRows()
        for table in tables:
            followed = self._follow(table.head)
            followed.images.setdefault(table.head.image, Image(table.head.image_ns))
            rows.stats.extend(self._rows(followed, table))
            rows.errors.extend(self._error_rows(followed, table))
        rows.processes.extend(
            self._process(followed, number, image)
            for followed in self._followed.values()
            for number, image in sorted(followed.images.items())
            if not image.final
        )
        return rows

    def totals(self, live: CountRows) -> CountRows:
        """Return one row a syscall, and one an errno of a syscall, over the whole target."""
        return self._totals.rows_with(live)

    def _follow(self, record: _Record) -> Followed:
        key = (record.pid, record.process_ns)
        followed = self._followed.get(key)
        if followed is None:
            self._processes += 1
            followed = self._followed[key] = Followed(self._processes, record.pid)
        if (
            followed.inherited is None
            and isinstance(record, wire.Start | wire.Head)
            and record.ppid
        ):
            self._born(followed, record)
        return followed

    def _born(self, followed: Followed, record: wire.Start | wire.Head) -> None:
        """Note whose child it is. A later record may be the one that tells: tables and blocked
        calls come from maps, which may be read before the ring buffer's record of the start."""
        followed.ppid = record.ppid
        parent = self._followed.get((record.ppid, record.parent_ns))
        if parent is not None:
            followed.parent_id = parent.process_id
            followed.inherited = parent.executable(parent.image_at(record.process_ns))

    def _retire(self, key: ProcessKey) -> None:
        """Forget the oldest of the ended ones: a long build must not fill the memory."""
        self._over.append(key)
        if len(self._over) > KEPT:
            oldest = self._over.popleft()
            if oldest in self._followed and not self._followed[oldest].wanted:
                del self._followed[oldest]

    def _thread_id(self, followed: Followed, thread_ns: int) -> int:
        known = followed.threads.get(thread_ns)
        if known is None:
            self._threads += 1
            known = followed.threads[thread_ns] = self._threads
        return known

    def _process(self, followed: Followed, number: int, image: Image) -> Process:
        status = followed.status if number == max(followed.images) else None
        code, signal = decode_status(status)
        return Process(
            process_id=followed.process_id,
            image=number,
            pid=followed.pid,
            parent_id=followed.parent_id,
            ppid=followed.ppid,
            comm=image.comm,
            executable=image.executable,
            argv=image.argv,
            argv_truncated=image.argv_truncated,
            start_ns=self._since(image.start_ns),
            end_ns=None if image.end_ns is None else self._since(image.end_ns),
            exit_code=code,
            term_signal=signal,
        )

    def _since(self, instant_ns: int) -> int:
        return instant_ns - (self.origin_ns or 0)

    def _rows(self, followed: Followed, table: wire.Table) -> Iterator[SyscallStat]:
        head = table.head
        thread = self._thread_id(followed, head.thread_ns)
        where = (followed.process_id, head.pid, head.image, thread)
        flying = (head.call_abi, head.call_nr) if head.call_ns else None
        for slot in table.slots:
            unfinished = int((slot.abi, slot.nr) == flying)
            if unfinished:
                flying = None
            yield self._stat(where, head.tid, slot, unfinished)
        if flying is not None:
            slot = wire.Slot(flying[1], flying[0], 0, 0, 0, 0, 0, _EMPTY_HISTOGRAM)
            yield self._stat(where, head.tid, slot, 1)

    def _stat(
        self, where: tuple[int, int, int, int], tid: int, slot: wire.Slot, unfinished: int
    ) -> SyscallStat:
        abi, returned = self._abis[slot.abi], sum(slot.histogram)
        # All of them may be calls that the kernel skipped us at one end of.
        is_timed = returned > 0 and slot.min_ns != wire.NO_TIME_YET
        process_id, pid, image, thread_id = where
        return SyscallStat(
            process_id=process_id,
            pid=pid,
            image=image,
            thread_id=thread_id,
            tid=tid,
            abi=abi,
            nr=slot.nr,
            name=syscalls.name(abi, slot.nr),
            calls=returned + unfinished,
            errors=slot.errors,
            blocked=slot.blocked,
            unfinished=unfinished,
            total_ns=slot.total_ns if is_timed else None,
            min_ns=slot.min_ns if is_timed else None,
            max_ns=slot.max_ns if is_timed else None,
            histogram=slot.histogram,
        )

    def _error_rows(self, followed: Followed, table: wire.Table) -> Iterator[SyscallError]:
        head = table.head
        thread = self._thread_id(followed, head.thread_ns)
        where = (followed.process_id, head.pid, head.image, thread)
        yield from self._errnos(where, head.tid, table.errnos)

    def _errnos(
        self, where: tuple[int, int, int, int], tid: int, errnos: Iterable[wire.Errno]
    ) -> Iterator[SyscallError]:
        """One row a (syscall, errno): failed by the kernel and blocked by the filter apart."""
        both: dict[tuple[int, int, int], list[int]] = {}
        for errno in errnos:
            counts = both.setdefault((errno.abi, errno.nr, errno.errno), [0, 0])
            counts[errno.blocked] += errno.count
        process_id, pid, image, thread_id = where
        for (abi, nr, number), (failed, blocked) in both.items():
            yield SyscallError(
                process_id=process_id,
                pid=pid,
                image=image,
                thread_id=thread_id,
                tid=tid,
                abi=self._abis[abi],
                nr=nr,
                name=syscalls.name(self._abis[abi], nr),
                errno=number,
                errno_name=syscalls.errno_name(number),
                failed=failed,
                blocked=blocked,
            )


def _text(comm: bytes) -> str:
    return os.fsdecode(comm.split(b"\0", 1)[0])
