"""What the records tell of one process: its images, its threads, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

ProcessKey = tuple[int, int]
"""(pid, start): the kernel can give a pid away again, but not within the same nanosecond."""


@dataclass(slots=True)
class Image:
    """One program within a process. Instants: CLOCK_MONOTONIC ns, None = not known yet."""

    start_ns: int
    end_ns: int | None = None
    comm: str | None = None
    executable: str | None = None
    argv: tuple[str, ...] | None = None
    argv_truncated: bool = False
    final: bool = False
    """Whether its row has been handed on: nothing more is to come."""


@dataclass(slots=True)
class Life:
    """One process, as its records tell it."""

    process_id: int
    pid: int
    process_ns: int
    parent: ProcessKey | None
    ppid: int | None
    images: dict[int, Image] = field(default_factory=dict)
    leader_status: int | None = None
    status: int | None = None
    ended: bool = False
    threads: dict[int, int] = field(default_factory=dict)

    def image_at(self, instant_ns: int) -> int:
        """The image that it was at an instant, such as that of a fork."""
        begun = [n for n, image in self.images.items() if image.start_ns <= instant_ns]
        return max(begun, default=0)


def decode_status(status: int | None) -> tuple[int | None, int | None]:
    """Return (exit code, signal) of a wait status; both None if it is not known."""
    if status is None:
        return None, None
    signal = status & 0x7F
    return (None, signal) if signal else ((status >> 8) & 0xFF, None)
