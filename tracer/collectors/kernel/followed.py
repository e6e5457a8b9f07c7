"""What the records tell of one process: its images, its threads, and how it ended."""

from __future__ import annotations

ProcessKey = tuple[int, int]
"""(pid, start): the kernel can give a pid away again, but not within the same nanosecond."""


class Image:
    """One program within a process. Instants: CLOCK_MONOTONIC ns, None = not known yet."""

    __slots__ = ("argv", "argv_truncated", "comm", "end_ns", "executable", "final", "start_ns")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.end_ns: int | None = None
        self.comm: str | None = None
        self.executable: str | None = None
        self.argv: tuple[str, ...] | None = None
        self.argv_truncated = False
        self.final = False
        """Whether its row has been handed on: nothing more is to come."""


class Followed:
    """One process, as its records tell it."""

    def __init__(self, process_id: int, pid: int) -> None:
        """Whose child it is may become known later."""
        self.process_id, self.pid = process_id, pid
        self.parent_id: int | None = None
        self.ppid: int | None = None
        self.inherited: str | None = None
        """The program that it was forked from; None for the command, or if that is unknown."""
        self.images: dict[int, Image] = {}
        self.threads: dict[int, int] = {}
        self.leader_status: int | None = None
        self.status: int | None = None
        self.ended = False
        self.combinations: dict[tuple[int, int, int], dict[tuple[int, ...], int]] = {}
        """By image, ABI and number: the arguments that it was made with -> 1, 2, 3…"""
        self.wanted = False
        """Whether something refers to it for as long as the run lasts."""

    @property
    def over(self) -> bool:
        """Whether nothing more is to come of it but, rarely, the table of a late thread."""
        return self.ended and self.status is not None

    def executable(self, number: int) -> str | None:
        """The path that an image was made of; an image made by fork has its parent's."""
        for earlier in range(number, -1, -1):
            image = self.images.get(earlier)
            if image is not None and image.executable is not None:
                return image.executable
        return self.inherited

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
