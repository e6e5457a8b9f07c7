"""The children of one run: reaped with their accounts, and ended where they must be."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.collectors.procfs import ProcfsCollector
    from tracer.model import Sample

_GRACE_S = 2.0
"""Between SIGTERM and SIGKILL."""
_ROUND_S = 0.001


class Reaper:
    """Reaps every process of the target; sbtrace is their subreaper (prctl(2))."""

    def __init__(self, main_pid: int, procfs: ProcfsCollector) -> None:
        self._main_pid = main_pid
        self._procfs = procfs
        self.main_status: int | None = None
        """Wait status of the command itself; None while it runs."""
        self.gone = False
        """Whether the whole target is gone."""

    def reap(self) -> list[Sample]:
        """Reap whoever is dead; return their last rows."""
        rows: list[Sample] = []
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                self.gone = True
                return rows
            if found is None:
                return rows
            row = self._procfs.final(found.si_pid)
            if row is not None:
                rows.append(row)
            pid, status, usage = os.wait4(found.si_pid, 0)
            self._procfs.reaped(pid, status, usage)
            if pid == self._main_pid:
                self.main_status = status


class Ending:
    """Ends the whole target: SIGTERM, and after a grace period SIGKILL until it is gone."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._kill_at: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the target is being ended."""
        return self._kill_at is not None

    def begin(self) -> None:
        """Ask every process to end; a stopped one is woken so that it can."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + _GRACE_S
            self._send(signal.SIGTERM)
            self._send(signal.SIGCONT)

    def at_once(self) -> None:
        """Kill without asking: call ``insist`` from now on."""
        self._kill_at = time.monotonic()

    def insist(self) -> None:
        """Once the grace period is over, kill what is there; call it until nothing is."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._send(signal.SIGKILL)

    @property
    def wait_s(self) -> float | None:
        """Seconds until ``insist`` has to be called again; None if it need not be."""
        if self._kill_at is None:
            return None
        # Between two rounds a process may fork: the shorter the pause, the fewer do.
        return max(_ROUND_S, self._kill_at - time.monotonic())

    def _send(self, number: int) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
