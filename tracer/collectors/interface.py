"""What collectors share: types alone."""

from __future__ import annotations

from typing import Protocol


class Processes(Protocol):
    """Which processes figures are taken of; ``ProcessTree`` is one."""

    @property
    def top_pid(self) -> int:
        """A process whose children all belong to them."""

    @property
    def first(self) -> tuple[int, ...]:
        """Those that there were to begin with."""

    def pids(self) -> list[int]:
        """Return every one that is there now, zombies included, parents first."""
