"""One run's eBPF collector: what the session starts, polls, snapshots and stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.collectors.kernel import wire
from tracer.collectors.kernel.accounts import CallAccounts
from tracer.collectors.kernel.blocked import REGISTER_BYTES, BlockedCalls, Decide
from tracer.collectors.kernel.clock import ahead_ns
from tracer.collectors.kernel.program.loaded import Program
from tracer.collectors.kernel.program.variant import explained, variant
from tracer.collectors.kernel.table_parts import TableParts
from tracer.completeness import counts_are_exact
from tracer.errors import KernelError
from tracer.model import BlockedCall, Loss, Process

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracer.collectors.kernel.totals import CountRows
    from tracer.model import RunRecord, Sample

NAME = "kernel"
_DRAIN_S = 0.02


class KernelRecords(NamedTuple):
    """What eBPF told: rows of the tables, and what is known to be missing from them."""

    processes: tuple[Process, ...]
    live: CountRows
    """The rows of threads that go on; those of ended ones came through ``settled``."""
    totals: CountRows
    """One row a syscall and one an errno, over all threads, ended ones included."""
    blocked_calls: tuple[BlockedCall, ...]
    losses: tuple[Loss, ...]
    last_ns: int | None
    """CLOCK_MONOTONIC instant at which the last process was dead, its memory freed; None while a
    followed task is alive, or none has ended, or one may not have been followed."""

    def added_to(self, record: RunRecord) -> RunRecord:
        """Return the record with the rows, and with their sums in its run."""
        stats = self.totals.stats
        run = record.run._replace(
            total_syscalls=sum(row.calls for row in stats),
            unfinished_syscalls=sum(row.unfinished for row in stats),
            error_syscalls=sum(row.errors for row in stats),
            blocked_syscalls=sum(row.blocked for row in stats),
        )
        return record._replace(
            run=run,
            processes=self.processes,
            syscalls=tuple(stats),
            syscall_errors=tuple(self.totals.errors),
            blocked_calls=self.blocked_calls,
        )

    def unsettled(self, record: RunRecord) -> RunRecord:
        """Return the record with the rows of threads that go on in place of the sums."""
        return record._replace(
            syscalls=tuple(self.live.stats),
            syscall_errors=tuple(self.live.errors),
            processes=tuple(self.live.processes),
        )


class KernelCollector:
    """Counts every syscall of one target from its execve on.

    Order of use: make it (the program is compiled and loaded; KernelError if this machine
    does not let it), ``enrol`` the launcher, let it go, and then as every ``Collector``.
    """

    def __init__(
        self, decide: Decide, logged: frozenset[int], verdicts: Sequence[int] = ()
    ) -> None:
        """``decide``: what the run's profile does with a call; tells TRAP from KILL.

        ``logged``: native numbers that it may let through with SECCOMP_RET_LOG.
        ``verdicts``: what it does with the calls of the vsyscall page; see ``Program``.
        """
        variant()  # where there is no program, it says so: before all else
        self._ahead_ns = ahead_ns()
        self._accounts = CallAccounts()
        self._blocked = BlockedCalls(decide)
        self._table_parts = TableParts()
        try:
            self._program = Program(self._take, logged, verdicts)
            self._program.attach()
        except KernelError as error:
            raise explained(error) from error

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Readable when the ring buffer wants draining before the next sample."""
        return (self._program.ring_fd,)

    def start(self, start_ns: int) -> None:
        """Count all instants from this one of CLOCK_MONOTONIC: call it before the first ``poll``.

        Without it they count from the target's execve.
        """
        self._accounts.origin_ns = start_ns - self._ahead_ns

    def enrol(self, pidfd: int) -> None:
        """Follow the process behind ``pidfd`` from its next execve on."""
        self._program.enrol(pidfd)

    def poll(self) -> None:
        """Take in what the ring buffer holds, but leave the session time for its other duties."""
        self._program.consume(_DRAIN_S)

    def sample(self) -> Sequence[Sample]:
        """Return nothing: what this counts is in the snapshots."""
        return ()

    def calls_so_far(self) -> int:
        """Return how many calls came back until now."""
        self.poll()
        alive = sum(table.head.returned for table in self._program.live_tables())
        return self._accounts.returned + alive

    def settled(self) -> Mapping[str, Sequence[NamedTuple]]:
        """Return the rows of threads and images that ended since the last call, by table."""
        self.poll()
        rows = self._accounts.take_final()
        return {
            "syscalls": rows.stats,
            "syscall_errors": rows.errors,
            "processes": rows.processes,
            "arguments": rows.arguments,
        }

    def snapshot(self) -> KernelRecords:
        """Return the figures so far; live threads may be a call ahead in one of them."""
        self.poll()
        tables = list(self._program.live_tables())
        live = self._accounts.live(tables)
        losses = tuple(self._losses())
        return KernelRecords(
            processes=self._accounts.processes(),
            live=live,
            totals=self._accounts.totals(live),
            blocked_calls=self._blocked_calls(),
            losses=losses,
            last_ns=None if tables or not counts_are_exact(losses) else self._last_ns(),
        )

    def stop(self) -> KernelRecords:
        """Stop counting and return the final figures. What is alive counts as it stands."""
        self._program.detach()
        self._program.consume()
        self._accounts.overflowed(self._program.overflow())
        return self.snapshot()

    def close(self) -> None:
        """Let go of the program and its maps; nothing can be asked after that."""
        self._program.close()

    def _last_ns(self) -> int | None:
        last_ns = self._program.last_exit_ns()
        return None if last_ns is None else last_ns + self._ahead_ns

    def _blocked_calls(self) -> tuple[BlockedCall, ...]:
        # Texts before rows: what comes in between then is a call of which no text is known.
        texts = tuple(self._program.texts())
        return self._blocked.rows(self._program.blocked(), texts, self._accounts)

    def _losses(self) -> Iterable[Loss]:
        for kind, count in self._program.losses().items():
            if count:
                yield Loss(NAME, kind, count)
        if missed := self._program.missed_runs():
            yield Loss(NAME, "missed_runs", missed)

    def _take(self, data: bytes) -> None:
        kind = wire.kind_of(data)
        if kind == wire.RECORD_FURTHER:
            self._table_parts.add(data)
        elif kind in wire.TABLES_END:
            table = self._table_parts.joined(wire.table(data))
            self._accounts.ended(table)
            if table.head.flags & wire.THREAD_LAST:
                self._blocked.ended(table.head.pid, table.head.process_ns)
        elif kind == wire.RECORD_START:
            start = wire.start(data)
            self._accounts.started(start)
            self._blocked.forked(start)
        elif kind == wire.RECORD_VALUES:
            self._accounts.noted(wire.arguments(data))
        elif kind == wire.RECORD_EXEC:
            self._accounts.executed(wire.exec_(data))
        elif kind in (wire.RECORD_MAP, wire.RECORD_PROGRAM):
            self._blocked.mapped(wire.file(data))
        elif kind == wire.RECORD_BLOCKED:
            record = wire.blocked(data, REGISTER_BYTES)
            self._accounts.identity(record.key)  # it is to be remembered
            self._blocked.add(record)
