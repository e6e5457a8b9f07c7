"""Rows added up over the whole target, so that the rows themselves need not be kept.

A run may see a million of them; one run of a small build has fifty thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer.model import Argument, Process, SyscallError, SyscallStat


class CountRows:
    """Rows of ``syscalls``, ``syscall_errors``, ``processes`` and ``arguments``."""

    def __init__(
        self,
        stats: Iterable[SyscallStat] = (),
        errors: Iterable[SyscallError] = (),
        processes: Iterable[Process] = (),
    ) -> None:
        self.stats, self.errors, self.processes = list(stats), list(errors), list(processes)
        self.arguments: list[Argument] = []

    def extend(self, other: CountRows) -> None:
        """Add the rows of ``other``."""
        self.stats.extend(other.stats)
        self.errors.extend(other.errors)
        self.processes.extend(other.processes)
        self.arguments.extend(other.arguments)


class Totals:
    """Sums by (abi, nr) and by (abi, nr, errno)."""

    def __init__(self) -> None:
        self._stats: dict[tuple[str, int], SyscallStat] = {}
        self._errors: dict[tuple[str, int, int], SyscallError] = {}

    def add(self, rows: CountRows) -> None:
        """Add rows that are final."""
        _add(self._stats, self._errors, rows)

    def rows_with(self, live: CountRows) -> CountRows:
        """Return the sums with ``live`` added to them, which may change yet."""
        stats, errors = dict(self._stats), dict(self._errors)
        _add(stats, errors, live)
        return CountRows(stats.values(), errors.values())


def _add(
    stats: dict[tuple[str, int], SyscallStat],
    errors: dict[tuple[str, int, int], SyscallError],
    rows: CountRows,
) -> None:
    for stat in rows.stats:
        key = (stat.abi, stat.nr)
        known = stats.get(key)
        stats[key] = _sum(known, stat) if known is not None else _of_nobody(stat)
    for error in rows.errors:
        where = (error.abi, error.nr, error.errno)
        before = errors.get(where)
        if before is None:
            errors[where] = error._replace(process_id=0, pid=0, image=0, thread_id=0, tid=0)
        else:
            failed, blocked = before.failed + error.failed, before.blocked + error.blocked
            errors[where] = before._replace(failed=failed, blocked=blocked)


def _of_nobody(stat: SyscallStat) -> SyscallStat:
    """A row that is added up over all threads has zeros in place of one."""
    return stat._replace(process_id=0, pid=0, image=0, thread_id=0, tid=0)


def _sum(one: SyscallStat, other: SyscallStat) -> SyscallStat:
    return one._replace(
        calls=one.calls + other.calls,
        errors=one.errors + other.errors,
        blocked=one.blocked + other.blocked,
        unfinished=one.unfinished + other.unfinished,
        total_ns=_over(sum, one.total_ns, other.total_ns),
        min_ns=_over(min, one.min_ns, other.min_ns),
        max_ns=_over(max, one.max_ns, other.max_ns),
        histogram=tuple(a + b for a, b in zip(one.histogram, other.histogram, strict=True)),
    )


def _over(fold: Callable[[Iterable[int]], int], *values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return fold(known) if known else None
