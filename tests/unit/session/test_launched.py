"""Children reaped with their accounts, and ended where they must be: real ones."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from tracer.session import launched
from tracer.session.launched import Ending, Launched
from tracer.session.processes import children

if TYPE_CHECKING:
    import resource
    from collections.abc import Callable

    from tracer.model import Sample
    from tracer.sandbox.launch import Launcher
    from tracer.session.launched import LaunchPlan


class Procfs:
    """Notes what it is asked and told."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.told: dict[int, int] = {}
        self.rows: dict[int, Sample] = {}

    def final(self, pid: int) -> Sample | None:
        assert pid not in self.told, "its account is read before it is gone"
        self.asked.append(pid)
        return self.rows.get(pid)

    def reaped(self, pid: int, status: int, _usage: resource.struct_rusage) -> None:
        self.told[pid] = status


def child(do: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            do()
            status = 0
        finally:
            os._exit(status)
    return pid


def alone(do: Callable[[], None]) -> None:
    """Run a test in a child, which has no other children than the test's."""
    assert os.waitpid(child(do), 0)[1] == 0


class _Launcher(NamedTuple):
    """One that has become the command."""

    pid: int


def command(pid: int) -> Launched:
    return Launched(cast("LaunchPlan", None), cast("Launcher", _Launcher(pid)), None)


def test_reaping_gives_the_last_rows_of_those_of_whom_there_is_one() -> None:
    def do() -> None:
        pids = [child(lambda: None), child(lambda: None)]
        procfs, row = Procfs(), cast("Sample", object())
        procfs.rows[pids[0]] = row
        rows: list[Sample] = []
        found = command(pids[1])
        while not found.gone:
            rows += found.collect(procfs)
        assert rows == [row]

    alone(do)


def test_whoever_is_dead_is_reaped_after_its_account_was_read() -> None:
    def do() -> None:
        pids = [child(lambda: os._exit(3)), child(lambda: os._exit(5))]
        procfs = Procfs()
        found = command(pids[1])
        while not found.gone:
            found.collect(procfs)
        assert sorted(procfs.asked) == sorted(pids) == sorted(procfs.told)
        assert os.waitstatus_to_exitcode(found.status or 0) == 5
        assert os.waitstatus_to_exitcode(procfs.told[pids[0]]) == 3

    alone(do)


def test_who_lives_is_left_alone_and_the_target_is_not_gone() -> None:
    def do() -> None:
        pid = child(signal.pause)
        found = command(pid)
        assert found.collect(Procfs()) == []
        assert (found.status, found.ended, found.gone) == (None, False, False)
        os.kill(pid, signal.SIGKILL)
        while not found.gone:
            found.collect(Procfs())
        assert found.ended
        assert os.WTERMSIG(found.status or 0) == signal.SIGKILL

    alone(do)


class Sent:
    """What an Ending sends, to pids that are nobody's, at a time of the test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.signals: list[tuple[int, int]] = []
        monkeypatch.setattr(launched.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(launched.os, "kill", lambda pid, n: self.signals.append((pid, n)))

    def take(self) -> list[tuple[int, int]]:
        taken, self.signals = self.signals, []
        return taken


TERM, CONT, KILL = int(signal.SIGTERM), int(signal.SIGCONT), int(signal.SIGKILL)


def test_all_are_asked_and_woken_then_killed_once_the_grace_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = Sent(monkeypatch)
    ending = Ending(lambda: [7, 8])
    assert (ending.begun, ending.wait_s) == (False, None)
    ending.insist()
    assert sent.take() == []
    ending.begin()
    assert ending.begun
    assert sent.take() == [(7, TERM), (8, TERM), (7, CONT), (8, CONT)]
    assert ending.wait_s == pytest.approx(launched._GRACE_S)
    sent.now += launched._GRACE_S - 0.01
    ending.begin()
    ending.insist()
    assert sent.take() == []
    sent.now += 0.01
    ending.insist()
    assert sent.take() == [(7, KILL), (8, KILL)]
    assert ending.wait_s == launched._ROUND_S


def test_at_once_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(monkeypatch)
    ending = Ending(lambda: [7])
    ending.at_once()
    ending.insist()
    assert sent.take() == [(7, KILL)]


def test_who_is_gone_meanwhile_does_not_matter() -> None:
    gone = child(lambda: None)
    os.waitpid(gone, 0)
    ending = Ending(lambda: [gone])
    ending.at_once()
    ending.insist()


@pytest.mark.parametrize("way", ["children file", "stat"])
def test_all_children_are_ended_with_those_that_fall_to_us(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grandchild is ours once its parent is dead, and deaf to everything but SIGKILL."""
    reader, writer = os.pipe()

    def deaf() -> None:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.write(writer, b"%d\n" % os.getpid())
        while True:
            signal.pause()

    def parent() -> None:
        child(deaf)
        deaf()

    def do() -> None:
        from tracer import linux

        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        child(parent)
        pids: list[int] = []
        while len(pids) < 2:
            pids += map(int, os.read(reader, 64).split())
        handles = [os.pidfd_open(pid) for pid in pids]
        children.end_children()
        assert len(select.select(handles, [], [], 0)[0]) == 2
        assert children.children() == []

    if way == "stat":
        monkeypatch.setattr(children, "children", children._by_stat)
    alone(do)
    os.close(reader)
    os.close(writer)
