"""While a run goes on, everything is put on the disk again and again."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, cast

import pytest

from tracer.session import supervision
from tracer.session.supervision import SNAPSHOT_S, Supervision

if TYPE_CHECKING:
    from tracer.collectors.interface import Collector
    from tracer.model import Sample
    from tracer.session.controls import Controls
    from tracer.session.journal import Journal
    from tracer.session.processes.guard import Guard
    from tracer.session.supervision import Watcher
    from tracer.session.target import AccountKeeper, Target

N_TURNS = 11
PROMISED_S = 5.0
"""docs/schema.md, of a run that was interrupted: its figures are at most so old."""


class _Ending:
    """Notes how often it is told to leave no time."""

    begun, wait_s = False, None

    def __init__(self) -> None:
        self.killed = 0

    def at_once(self) -> None:
        self.killed += 1

    def insist(self) -> None: ...


class _Target:
    """One that is there for so many turns."""

    descriptors = ()
    takes_signals = True
    ended = gone = False
    status = None

    def __init__(self) -> None:
        self.turns = 0
        self.ending = _Ending()

    def collect(self, _accounts: object) -> list[Sample]:
        self.turns += 1
        self.gone = self.turns > N_TURNS
        return []


class _Nothing:
    """Of every part: it takes what it is given, and has nothing to say."""

    descriptors: tuple[int, ...] = ()
    wait_s = None
    enabled = False
    asked_to_end: frozenset[int] = frozenset()

    def receive(self) -> frozenset[int]:
        return frozenset()

    def follow(self) -> None: ...
    def clear(self) -> None: ...
    def hand_on(self) -> None: ...
    def add(self, _samples: object) -> None: ...

    def sample(self) -> list[Sample]:
        return []

    def poll(self) -> None: ...
    def calls_so_far(self) -> None: ...


def snapshots(monkeypatch: pytest.MonkeyPatch, every_s: float) -> int:
    """How many a run of N_TURNS turns has."""
    monkeypatch.setattr(supervision, "SNAPSHOT_S", every_s)
    taken: list[None] = []
    nothing = _Nothing()
    watched = Supervision(
        cast("Target", _Target()),
        0.0,
        [cast("Collector", nothing)],
        cast("AccountKeeper", nothing),
        cast("Controls", nothing),
        None,
    )
    watched.watch(
        0, None, cast("Journal", nothing), lambda: taken.append(None), cast("Watcher", nothing)
    )
    return len(taken)


def test_a_snapshot_is_taken_whenever_one_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    assert snapshots(monkeypatch, every_s=0.0) == N_TURNS


def test_none_is_taken_before_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    assert snapshots(monkeypatch, every_s=3600.0) == 0


def test_one_is_due_before_what_a_crash_may_cost() -> None:
    assert 0 < SNAPSHOT_S < PROMISED_S


@pytest.mark.parametrize(("group", "ours"), [(1009, True), (1013, False), (None, True)])
def test_the_terminal_is_drawn_on_only_by_whom_it_belongs_to(
    group: int | None, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stderr that is no terminal, nobody asks to be left alone."""

    def foreground(_fd: int) -> int:
        if group is None:
            raise OSError(errno.ENOTTY, "no terminal")
        return group

    monkeypatch.setattr(os, "tcgetpgrp", foreground)
    monkeypatch.setattr(os, "getpgrp", lambda: 1009)
    assert supervision._in_foreground() is ours


class _Gone:
    """A guard that has been killed."""

    broken = True

    def __init__(self, watched: int, relay: int) -> None:
        self.watched, self.relay_fd = (watched,), relay


def test_the_target_is_killed_at_once_when_the_guard_is_gone() -> None:
    """There is nobody left who would end it: once, however many turns are to come."""
    target = _Target()
    nothing, (watched, relay) = _Nothing(), os.pipe()
    nothing.descriptors = (relay,)
    try:
        run = Supervision(
            cast("Target", target),
            0.0,
            [],
            cast("AccountKeeper", nothing),
            cast("Controls", nothing),
            cast("Guard", _Gone(watched, relay)),
        )
        run.watch(0, None, cast("Journal", nothing), lambda: None, cast("Watcher", nothing))
    finally:
        os.close(watched)
        os.close(relay)
    assert run.broken_off
    assert target.ending.killed == 1


class _Shown(_Nothing):
    """A terminal, which notes what it is to say of processes left behind."""

    enabled = True
    stopped = False

    def __init__(self) -> None:
        self.left: list[int] = []

    def left_behind(self, processes: int) -> None:
        self.left.append(processes)

    def update(self, *_figures: object) -> None: ...


def test_how_many_are_left_behind_is_shown_when_it_is_time_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([False, True])
    monkeypatch.setattr(supervision, "_in_foreground", lambda: True)
    monkeypatch.setattr(supervision.Aftermath, "waits", lambda _self: next(times, False))
    shown = _Shown()
    run = Supervision(
        cast("Target", _Target()),
        0.0,
        [cast("Collector", shown)],
        cast("AccountKeeper", shown),
        cast("Controls", shown),
        None,
    )
    run.watch(0, None, cast("Journal", shown), lambda: None, cast("Watcher", shown))
    assert shown.left == [0]
