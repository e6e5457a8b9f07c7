"""Ctrl-Z and signals between the front and the command, as the supervisor sees them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from tracer.session.controls import Controls
from tracer.session.launched import Launched
from tracer.session.signals import Received

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.sandbox.launch import Launcher
    from tracer.session.launched import LaunchPlan
    from tracer.session.processes.guard import Guard
    from tracer.session.signals import SignalInbox

TYPED_STOP = Received(signal.SIGTSTP, from_kernel=True)


class _Front:
    """Says what it was relayed, and keeps what is sent to it."""

    relay_fd = 77

    def __init__(self) -> None:
        self.relay: list[int] = []
        self.sent: list[int] = []

    def relayed(self) -> list[int]:
        found, self.relay = self.relay, []
        return found

    def signal_front(self, number: int) -> None:
        self.sent.append(number)


class _Inbox:
    fd = 78

    def __init__(self) -> None:
        self.came: list[Received] = []

    def read(self) -> list[Received]:
        found, self.came = self.came, []
        return found


class _Launcher(NamedTuple):
    """One that has become the command."""

    pid: int
    pidfd: int


class Parts:
    """Controls of a command that sleeps, between a front and an inbox."""

    def __init__(self) -> None:
        self.command = os.fork()
        if self.command == 0:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            while True:
                signal.pause()
        launcher = _Launcher(self.command, os.pidfd_open(self.command))
        self.target = Launched(cast("LaunchPlan", None), cast("Launcher", launcher), None)
        self.front, self.inbox = _Front(), _Inbox()
        given: tuple[Any, Any] = (cast("SignalInbox", self.inbox), cast("Guard", self.front))
        self.controls = Controls(self.target, *given)
        self.close_pidfd = lambda: os.close(launcher.pidfd)

    def close(self) -> None:
        os.kill(self.command, signal.SIGKILL)
        os.waitpid(self.command, 0)
        self.close_pidfd()


@pytest.fixture
def parts() -> Iterator[Parts]:
    made = Parts()
    yield made
    made.close()


def test_ctrl_z_is_the_commands_own_business_while_there_is_one(parts: Parts) -> None:
    parts.inbox.came = [TYPED_STOP]
    assert parts.controls.receive() == []
    assert (parts.controls.stopped, parts.front.sent) == (False, [])


def test_ctrl_z_gives_the_terminal_back_once_the_command_is_gone(parts: Parts) -> None:
    parts.controls.ended()
    parts.inbox.came = [TYPED_STOP]
    parts.controls.receive()
    assert (parts.controls.stopped, parts.front.sent) == (True, [signal.SIGSTOP])
    parts.front.relay = [signal.SIGCONT]
    parts.controls.receive()
    assert not parts.controls.stopped


def test_the_front_stops_and_goes_on_with_the_command(parts: Parts) -> None:
    os.kill(parts.command, signal.SIGSTOP)
    os.waitid(os.P_PID, parts.command, os.WSTOPPED | os.WNOWAIT)
    parts.controls.follow()
    assert (parts.controls.stopped, parts.front.sent) == (True, [signal.SIGSTOP])
    parts.front.relay = [signal.SIGCONT]
    parts.controls.receive()
    os.waitid(os.P_PID, parts.command, os.WCONTINUED | os.WNOWAIT)
    parts.controls.follow()
    assert (parts.controls.stopped, parts.front.sent[1:]) == (False, [signal.SIGCONT])


def test_a_front_that_was_stopped_goes_on_when_the_command_ends(parts: Parts) -> None:
    parts.controls._become(stopped=True)
    parts.controls.ended()
    assert parts.front.sent == [signal.SIGSTOP, signal.SIGCONT]


def test_a_signal_to_the_front_reaches_the_command_and_asks_for_an_end(parts: Parts) -> None:
    parts.front.relay = [signal.SIGTERM]
    assert parts.controls.receive() == [signal.SIGTERM]
    assert parts.controls.asked_to_end == {signal.SIGTERM}
    ended = os.waitid(os.P_PID, parts.command, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == signal.SIGTERM


def test_ctrl_c_is_heard_and_not_sent_again(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal sent it to the command itself: the whole process group has it."""
    sent: list[int] = []
    monkeypatch.setattr(parts.target, "send", sent.append)
    parts.inbox.came = [Received(signal.SIGINT, from_kernel=True)]
    assert parts.controls.receive() == [signal.SIGINT]
    assert sent == []


def test_a_command_that_runs_is_not_sent_sigcont(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front hears each that its shell sends, but the command may count those of its own."""
    sent: list[int] = []
    monkeypatch.setattr(parts.target, "send", sent.append)
    parts.front.relay = [signal.SIGCONT]
    parts.controls.receive()
    assert sent == []


def test_what_is_passed_on_and_asks_for_no_end_is_not_said(parts: Parts) -> None:
    parts.front.relay = [signal.SIGUSR1]
    assert parts.controls.receive() == []
    assert parts.controls.asked_to_end == frozenset()
    ended = os.waitid(os.P_PID, parts.command, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == signal.SIGUSR1


def test_what_wakes_the_supervisor_are_the_inbox_and_the_front(parts: Parts) -> None:
    assert parts.controls.descriptors == (_Inbox.fd, _Front.relay_fd)
    alone = Controls(parts.target, cast("SignalInbox", parts.inbox), None)
    assert alone.descriptors == (_Inbox.fd,)
