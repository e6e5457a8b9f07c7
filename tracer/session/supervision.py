"""The time between the target's first execve and the end of its last process."""

from __future__ import annotations

import os
import selectors
import time
from typing import TYPE_CHECKING, Protocol

from tracer.session.aftermath import Aftermath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracer.collectors.interface import Collector
    from tracer.model import Sample
    from tracer.session.aftermath import Daemons
    from tracer.session.controls import Controls
    from tracer.session.journal import Journal
    from tracer.session.processes.guard import Guard
    from tracer.session.target import AccountKeeper, Target

SNAPSHOT_S = 4.0
"""So often everything is put on the disk: what a crash costs at most, with room to 5 s."""


class Watcher(Protocol):
    """Who is told how the run goes; ``tracer.report.live.LiveLine`` is one."""

    enabled: bool

    def update(
        self,
        elapsed_ns: int,
        cpu_percent: float | None,
        memory_bytes: int | None,
        calls: int | None,
        writes: int | None,
    ) -> None:
        """Show the state of the run. None = not known."""

    def left_behind(self, processes: int) -> None:
        """Say that the run goes on for so many processes although the command has ended."""

    def clear(self) -> None:
        """Take the display away."""


class Supervision:
    """Samples, drains, collects the dead and passes signals on until the whole target is gone."""

    def __init__(
        self,
        target: Target,
        interval_s: float,
        collectors: Sequence[Collector],
        accounts: AccountKeeper,
        controls: Controls,
        guard: Guard | None,
        daemons: Daemons = "wait",
    ) -> None:
        """``accounts``: that of the collectors which keeps the accounts of whoever ends."""
        self._target, self._interval_s = target, interval_s
        self._collectors, self._accounts = collectors, accounts
        self._controls, self._guard = controls, guard
        self._ending = target.ending
        self._aftermath = Aftermath(target, daemons, controls)
        self.timed_out = False
        self.broken_off = False
        """Whether a part of sbtrace was killed, and the target therefore ended."""

    @property
    def ended_by(self) -> int | None:
        """The signal that ended what the command had left behind; None if none did."""
        return self._aftermath.ended_by

    def watch(
        self,
        start_ns: int,
        timeout_s: float | None,
        journal: Journal,
        snapshot: Callable[[], None],
        watcher: Watcher,
    ) -> None:
        """Stay until the target is gone, calling ``snapshot`` so often that a crash costs little.

        ``start_ns``: CLOCK_MONOTONIC instant of the target's execve.
        """
        deadline = start_ns / 1e9 + timeout_s if timeout_s is not None else None
        self._controls.before_stop = watcher.clear
        next_sample = time.monotonic()
        next_snapshot = next_sample + SNAPSHOT_S
        with selectors.DefaultSelector() as selector:
            self._register(selector)
            self._collect(journal)
            while not self._target.gone:
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    self.timed_out, deadline = True, None
                    self._ending.begin()
                if now >= next_sample:
                    self._sample(start_ns, journal, watcher)
                    next_sample = max(next_sample + self._interval_s, now)
                if now >= next_snapshot:
                    snapshot()
                    next_snapshot = time.monotonic() + SNAPSHOT_S
                self._turn(selector, journal, _earliest(next_sample, deadline))
        # Ctrl-C reaches all of a process group, but its end may be seen before the signal.
        self._controls.receive()

    def _register(self, selector: selectors.BaseSelector) -> None:
        for descriptor in (*self._controls.descriptors, *self._target.descriptors):
            selector.register(descriptor, selectors.EVENT_READ)
        for collector in self._collectors:
            for descriptor in collector.descriptors:
                selector.register(descriptor, selectors.EVENT_READ)
        for descriptor in self._guard.watched if self._guard is not None else ():
            selector.register(descriptor, selectors.EVENT_READ)

    def _turn(self, selector: selectors.BaseSelector, journal: Journal, wake_at: float) -> None:
        """Wait for something to happen, and act on it."""
        waits = (wake_at - time.monotonic(), self._controls.wait_s, self._ending.wait_s)
        selector.select(max(0.0, min(wait for wait in waits if wait is not None)))
        if self._guard is not None and not self.broken_off and self._guard.broken:
            self.broken_off = True
            self._ending.at_once()
            for descriptor in (*self._guard.watched, self._guard.relay_fd):
                selector.unregister(descriptor)  # they stay readable from now on
        self._aftermath.hear(self._controls.receive())
        self._controls.follow()
        self._ending.insist()
        self._collect(journal)
        for collector in self._collectors:
            collector.poll()

    def _collect(self, journal: Journal) -> None:
        lived = not self._target.ended
        journal.add(self._target.collect(self._accounts))
        if self._target.ended:
            if lived:
                self._controls.ended()
            self._aftermath.command_ended(self._target.status, time.monotonic())

    def _sample(self, start_ns: int, journal: Journal, watcher: Watcher) -> None:
        samples = [row for collector in self._collectors for row in collector.sample()]
        journal.add(samples)
        journal.hand_on()
        if watcher.enabled and not self._controls.stopped and _in_foreground():
            if self._aftermath.waits():
                watcher.left_behind(len(samples))
            watcher.update(
                time.monotonic_ns() - start_ns,
                _total(row.cpu_percent for row in samples),
                _whole(_total(row.rss_bytes for row in samples)),
                _first(collector.calls_so_far() for collector in self._collectors),
                _writes(samples),
            )


def _in_foreground() -> bool:
    """Whether the terminal on stderr is ours to draw on, and not a shell's or an editor's."""
    try:
        return os.tcgetpgrp(2) == os.getpgrp()
    except OSError:
        return True  # no controlling terminal, so nobody else's either


def _earliest(one: float, other: float | None) -> float:
    return one if other is None else min(one, other)


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _writes(samples: Iterable[Sample]) -> int | None:
    """Calls that wrote something, of all processes; None if one of them does not tell."""
    counts = [row.write_syscalls for row in samples]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
