"""When the whole target is ended: by whom, how gently, and what that makes of the exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from tracer.session.aftermath import NOTE_AFTER_S, Aftermath, Daemons
from tracer.session.launched import Ending
from tracer.session.signals import ENDING, gave_in, ignored_by_caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.session.controls import Controls
    from tracer.session.target import Target

TERM, INT, HUP, QUIT = (
    int(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
)
FAILED, BY_INT, BY_SHELL = 1 << 8, INT, (128 + INT) << 8
"""Wait statuses: exited with 1, killed by SIGINT, exited with 130."""


class _Controls:
    def __init__(self) -> None:
        self.wait_s: float | None = None
        self.asked_to_end: frozenset[int] = frozenset()


class _Ending:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @property
    def begun(self) -> bool:
        return bool(self.told)

    def begin(self) -> None:
        self.told.append("ask")

    def at_once(self) -> None:
        self.told.append("kill")


class _Target(NamedTuple):
    ending: _Ending
    takes_signals: bool


class _Setting:
    def __init__(self, daemons: Daemons = "wait", *, takes_signals: bool = True) -> None:
        self.controls, self.ending = _Controls(), _Ending()
        target = cast("Target", _Target(self.ending, takes_signals))
        self.aftermath = Aftermath(target, daemons, cast("Controls", self.controls))

    def after(self, status: int = 0, *asked: int) -> list[str]:
        """What is done with the rest when the command ended after these signals."""
        self.controls.asked_to_end = frozenset(asked)
        self.aftermath.command_ended(status, now=0.0)
        return self.ending.told


def test_a_command_that_ended_by_itself_leaves_the_rest_alone_unless_daemons_are_to_end() -> None:
    assert _Setting().after(FAILED) == []
    assert _Setting("end").after(FAILED) == ["ask"]


@pytest.mark.parametrize("number", sorted(ENDING))
def test_once_the_command_is_gone_a_signal_asks_and_a_second_one_kills(number: int) -> None:
    setting = _Setting()
    setting.after()
    setting.aftermath.hear([number])
    assert setting.ending.told == ["ask"]
    setting.aftermath.hear([TERM])
    assert setting.ending.told == ["ask", "kill"]
    assert setting.aftermath.ended_by == number


def test_while_the_command_lives_signals_are_its_own() -> None:
    setting = _Setting()
    setting.aftermath.hear([TERM, INT, INT, HUP, HUP, QUIT, QUIT])
    assert setting.ending.told == []
    assert setting.aftermath.ended_by is None


def test_while_the_command_lives_a_second_sigterm_kills_all() -> None:
    setting = _Setting()
    setting.aftermath.hear([TERM, INT, TERM])
    assert setting.ending.told == ["kill"]
    assert setting.aftermath.ended_by == TERM


@pytest.mark.parametrize(
    ("number", "expected"), [(TERM, ["ask"]), (INT, ["ask"]), (HUP, []), (QUIT, [])]
)
def test_a_command_that_was_to_end_takes_the_rest_with_it_but_a_reload_is_no_end(
    number: int, expected: list[str]
) -> None:
    setting = _Setting()
    setting.aftermath.hear([number])
    assert setting.after(0, number) == expected


@pytest.mark.parametrize("status", [BY_INT, BY_SHELL])
def test_a_command_that_gave_in_takes_the_rest_with_it(status: int) -> None:
    assert _Setting().after(status, INT) == ["ask"]
    assert _Setting().after(status) == []


def test_a_signal_that_may_have_reached_the_whole_group_does_not_count_twice() -> None:
    setting = _Setting()
    setting.controls.wait_s = 0.05
    assert setting.after(TERM, TERM) == []
    setting.controls.wait_s = None
    setting.aftermath.hear([TERM])
    assert setting.after(TERM, TERM) == ["ask"]


def test_what_is_waited_for_is_told_once_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    setting = _Setting()
    assert not setting.aftermath.waits()
    setting.after()
    assert not setting.aftermath.waits()
    now = NOTE_AFTER_S
    assert setting.aftermath.waits()
    assert not setting.aftermath.waits()


def test_nobody_is_told_to_wait_for_what_is_being_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = _Setting("end")
    setting.after()
    monkeypatch.setattr("time.monotonic", lambda: 10 * NOTE_AFTER_S)
    assert not setting.aftermath.waits()


def test_only_a_command_that_was_asked_gave_in() -> None:
    assert gave_in(BY_INT, [INT])
    assert gave_in(BY_SHELL, [INT])
    assert not gave_in(BY_SHELL, [TERM])
    assert not gave_in(FAILED, [INT, TERM])
    assert not gave_in(BY_INT, [])


@pytest.fixture
def stopped() -> Iterator[subprocess.Popen[str]]:
    """A process that says ``bye`` at SIGTERM, and is stopped."""
    script = "trap 'echo bye; exit 3' TERM; kill -STOP $$; exit 4"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        yield process
        process.kill()


def test_an_end_wakes_the_stopped_so_that_they_can_do_as_they_are_asked(
    stopped: subprocess.Popen[str],
) -> None:
    Ending(lambda: [stopped.pid]).begin()
    assert stopped.wait(30) == 3
    assert stopped.stdout is not None
    assert stopped.stdout.read() == "bye\n"


def test_an_end_at_once_kills_the_stopped(stopped: subprocess.Popen[str]) -> None:
    ending = Ending(lambda: [stopped.pid])
    ending.insist()  # nothing has begun
    ending.at_once()
    ending.insist()
    assert stopped.wait(30) == -signal.SIGKILL


def test_what_the_caller_ignores_is_known() -> None:
    script = "from tracer.session.signals import ignored_by_caller as i; print(*map(int, i()))"
    for words, expected in (([], ""), (["nohup"], str(HUP))):
        done = subprocess.run(
            [*words, sys.executable, "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        assert done.stdout.strip() == expected
    assert ignored_by_caller() <= ENDING
