"""The syscalls of a record added up: by syscall, process, thread or errno. Pure."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer.model import SyscallError, SyscallStat

K = TypeVar("K")


class By(StrEnum):
    """What a row of a table is."""

    PROCESS = "process"
    THREAD = "thread"
    SYSCALL = "syscall"
    ERRNO = "errno"


class Sort(StrEnum):
    """What comes first."""

    CALLS = "calls"
    TIME = "time"
    ERRORS = "errors"
    BLOCKED = "blocked"
    NAME = "name"


class Total(NamedTuple):
    """Several rows of ``syscalls`` as one; the fields mean what they mean there."""

    calls: int
    errors: int
    blocked: int
    unfinished: int
    total_ns: int | None
    min_ns: int | None
    max_ns: int | None
    histogram: tuple[int, ...]

    @property
    def returned(self) -> int:
        """Calls that came back: what a latency can be told of."""
        return self.calls - self.unfinished

    @property
    def mean_ns(self) -> int | None:
        """Mean latency; None if no call returned."""
        if self.total_ns is None or not self.returned:
            return None
        return self.total_ns // self.returned


class ErrorTotal(NamedTuple):
    """One errno of one syscall, over all threads of the run."""

    abi: str
    name: str
    errno: int
    errno_name: str
    failed: int
    blocked: int


def add_up(stats: Iterable[SyscallStat]) -> Total:
    """All rows as one."""
    rows = list(stats)
    return Total(
        calls=sum(row.calls for row in rows),
        errors=sum(row.errors for row in rows),
        blocked=sum(row.blocked for row in rows),
        unfinished=sum(row.unfinished for row in rows),
        total_ns=_over((row.total_ns for row in rows), sum),
        min_ns=_over((row.min_ns for row in rows), min),
        max_ns=_over((row.max_ns for row in rows), max),
        histogram=tuple(map(sum, zip(*(row.histogram for row in rows), strict=False))),
    )


def group(stats: Iterable[SyscallStat], key: Callable[[SyscallStat], K]) -> dict[K, Total]:
    """Rows added up by a key, in the order in which the keys first come."""
    groups: defaultdict[K, list[SyscallStat]] = defaultdict(list)
    for stat in stats:
        groups[key(stat)].append(stat)
    return {value: add_up(rows) for value, rows in groups.items()}


def by_syscall(stats: Iterable[SyscallStat]) -> dict[tuple[str, int, str], Total]:
    """Added up by (abi, nr, name): the number alone means nothing without its ABI."""
    return group(stats, lambda stat: (stat.abi, stat.nr, stat.name))


def by_errno(errors: Iterable[SyscallError]) -> list[ErrorTotal]:
    """Added up over threads and images."""
    sums: defaultdict[tuple[str, str, int, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in errors:
        pair = sums[row.abi, row.name, row.errno, row.errno_name]
        pair[0] += row.failed
        pair[1] += row.blocked
    return [ErrorTotal(*key, failed, blocked) for key, (failed, blocked) in sums.items()]


MEASURES: dict[Sort, Callable[[Total], int]] = {
    Sort.CALLS: lambda total: total.calls,
    Sort.TIME: lambda total: total.total_ns or 0,
    Sort.ERRORS: lambda total: total.errors,
    Sort.BLOCKED: lambda total: total.blocked,
}
"""What most first means, by every order but that of names."""


def ordered(totals: dict[K, Total], sort: Sort, name: Callable[[K], str]) -> list[tuple[K, Total]]:
    """Sorted most first (by name: in its order); ties go by name."""
    most = MEASURES.get(sort)
    return sorted(totals.items(), key=lambda item: (-most(item[1]) if most else 0, name(item[0])))


def syscall_label(abi: str, name: str, abis: Iterable[str]) -> str:
    """``read``, or ``read (i386)`` where the run has calls of several ABIs."""
    return f"{name} ({abi})" if len(set(abis)) > 1 else name


def _over(values: Iterable[int | None], fold: Callable[[Iterable[int]], int]) -> int | None:
    known = [value for value in values if value is not None]
    return fold(known) if known else None
