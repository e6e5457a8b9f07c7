"""Programs of which some calls depend on timing: recognised by what they did in the runs.

Threads make some calls only when they meet, and a few runs may not show it. What is added for that
is told by its reason. A program is recognised by its calls and never by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tracer.profile.learn import Use

    Uses = Mapping[str, Sequence[Use]]
    """By name of the call."""

_CLONE_THREAD = 0x1_0000
_CLONE_CHILD_CLEARTID = 0x20_0000
_PROT_READ_WRITE = 3


class Timed(NamedTuple):
    """A call to allow although perhaps no run made it."""

    name: str
    reason: str
    args: tuple[tuple[int, int], ...] = ()
    """(argument, register) of the one way that is meant; empty: whatever the arguments."""


class Shape(NamedTuple):
    """A kind of program."""

    holds: Callable[[Uses], bool]
    calls: tuple[Timed, ...]


def timed(uses: Uses) -> Iterator[Timed]:
    """What the shapes that these calls show may need in another run."""
    for shape in SHAPES:
        if shape.holds(uses):
            yield from shape.calls


def _has_threads(uses: Uses) -> bool:
    """Whether a thread was made: by clone, or by clone3, whose flags lie in memory."""
    return _makes_threads(uses, 0) or ("clone3" in uses and "futex" in uses)


def _has_bare_threads(uses: Uses) -> bool:
    """Whether a thread was made without CLONE_CHILD_CLEARTID, which glibc and musl always give
    (pthread_create waits by it) and the Go runtime never does (cloneFlags in os_linux.go)."""
    return _makes_threads(uses, _CLONE_CHILD_CLEARTID)


def _makes_threads(uses: Uses, without: int) -> bool:
    return any(each & _CLONE_THREAD and not each & without for each in _clone_flags(uses))


def _clone_flags(uses: Uses) -> Iterator[int]:
    for use in uses.get("clone", ()):
        for way in use.ways:
            yield from (register for index, register in way.values if index == 0)


def _has_children(uses: Uses) -> bool:
    """Whether another process was made; clone3 counts, as its flags lie in memory."""
    flags = _clone_flags(uses)
    return not {"fork", "vfork", "clone3"}.isdisjoint(uses) or any(
        not each & _CLONE_THREAD for each in flags
    )


_MEET = "where threads meet, which not every run shows"
_HEAPS = "libc grows and trims the heaps of threads: malloc/arena.c"
_GO = "Go's runtime preempts its threads by a signal: signalM in os_linux.go"
SHAPES = (
    Shape(
        _has_children,
        (Timed("wait4", "waits for a child, whose end not every run lives to see"),),
    ),
    Shape(
        _has_threads,
        (
            Timed("futex", f"waits and wakes {_MEET}"),
            Timed("sched_yield", f"spins {_MEET}: libuv, V8, HotSpot, Go"),
            Timed("madvise", _HEAPS),
            Timed("munmap", _HEAPS),
            Timed("mprotect", _HEAPS, ((2, _PROT_READ_WRITE),)),
        ),
    ),
    Shape(
        _has_bare_threads,
        (
            Timed("getpid", _GO),
            Timed("gettid", _GO),
            Timed("tgkill", _GO),
            Timed(
                "nanosleep", "Go's runtime sleeps between looks at its threads: sysmon in proc.go"
            ),
        ),
    ),
)
