"""What the command leaves behind: it is waited for, or ended, and a signal always ends it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import started, state, until
from tests.kernel.terminal import CTRL_C, CTRL_Z, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kernel.supervised import Started
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

NONE = ["--trace", "none"]

# It says when it is there, and when it is asked to end. It waits for SIGTERM by sigwait: with a
# handler and pause, a signal that comes just before the pause would not end it.
POLITE = """setsid -f python3 -S -c '
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("there", flush=True)
signal.sigwait([signal.SIGTERM])
print("bye", flush=True)'"""
DEAF = "setsid -f sh -c 'trap \"\" TERM INT HUP QUIT; echo there; sleep 1000'"


def alone(run: Started) -> None:
    """Wait until the daemon is there, and the command, which said its pid, was reaped."""
    pid = int(run.line())
    assert run.line() == "there"
    until(lambda: not Path(f"/proc/{pid}").exists(), "the command is gone")


@pytest.fixture
def screen(sbtrace: Sbtrace) -> Iterator[Terminal]:
    with terminal({"SBTRACE_DB": str(sbtrace.db)}) as found:
        yield found


@pytest.mark.parametrize(
    ("who", "number"),
    [
        ("front", signal.SIGINT),
        ("front", signal.SIGTERM),
        ("group", signal.SIGHUP),
        ("group", signal.SIGQUIT),
    ],
)
def test_a_signal_ends_gently_what_the_command_left_behind(
    sbtrace: Sbtrace, who: str, number: signal.Signals
) -> None:
    with started(sbtrace.db, f"echo $$; {POLITE}; exit 4", start_new_session=True) as run:
        alone(run)
        (os.kill if who == "front" else os.killpg)(run.front, number)
        assert run.line() == "bye"
        assert run.wait() == 128 + number
    (row,) = sbtrace.sql("SELECT outcome, exit_code FROM runs")
    assert row == {"outcome": "interrupted", "exit_code": 4}


def test_what_does_not_end_when_it_is_asked_is_killed_after_a_grace_period(
    tmp_path: Path,
) -> None:
    with started(tmp_path / "db", f"echo $$; {DEAF}") as run:
        alone(run)
        os.kill(run.front, signal.SIGTERM)
        assert run.wait() == 128 + signal.SIGTERM
        assert run.target() == []


def test_a_stopped_process_that_was_left_behind_is_woken_to_end(tmp_path: Path) -> None:
    stop = "os.kill(os.getpid(), signal.SIGSTOP)"
    stopped = POLITE.replace("signal.sigwait", f"{stop}; signal.sigwait")
    with started(tmp_path / "db", f"echo $$; {stopped}") as run:
        alone(run)
        until(lambda: "T" in map(state, run.target()), "it is stopped")
        os.kill(run.front, signal.SIGTERM)
        assert run.line() == "bye"
        assert run.wait() == 128 + signal.SIGTERM


def test_a_command_killed_while_it_is_stopped_ends_the_run(tmp_path: Path) -> None:
    with started(tmp_path / "db", "echo $$; kill -STOP $$") as run:
        pid = int(run.line())
        until(lambda: state(run.front) == "T", "the caller sees that it stopped")
        os.kill(pid, signal.SIGKILL)
        assert run.wait() == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_command_that_a_signal_ended_takes_what_it_left_with_it(
    sbtrace: Sbtrace, number: signal.Signals
) -> None:
    with started(sbtrace.db, f"{POLITE}; exec sleep 1000") as run:
        assert run.line() == "there"
        os.kill(run.front, number)
        assert run.line() == "bye"
        assert run.wait() == 128 + number


@pytest.mark.parametrize("options", [[], NONE], ids=["full", "none"])
def test_a_second_sigterm_kills_a_command_that_goes_on_and_what_it_left(
    sbtrace: Sbtrace, options: list[str]
) -> None:
    """The first one is its own affair."""
    script = f"trap 'echo asked' TERM; {DEAF}; while :; do sleep 1000 & wait; done"
    with started(sbtrace.db, script, options) as run:
        assert run.line() == "there"
        os.kill(run.front, signal.SIGTERM)
        assert run.line() == "asked"
        os.kill(run.front, signal.SIGTERM)
        assert run.wait() == 128 + signal.SIGTERM
        assert run.target() == []
    assert sbtrace.sql("SELECT outcome FROM runs") == [{"outcome": "interrupted"}]


@pytest.mark.parametrize("options", [[], NONE], ids=["full", "none"])
def test_a_command_that_ignores_sigterm_ends_at_the_second_one(
    sbtrace: Sbtrace, options: list[str]
) -> None:
    with started(sbtrace.db, "trap '' TERM; echo there; sleep 1000", options) as run:
        assert run.line() == "there"

        def has_ended() -> bool:
            os.kill(run.front, signal.SIGTERM)  # not reaped yet, so nobody else's
            return run.process.poll() is not None

        until(has_ended, "the run is over")
        assert run.wait() == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT], ids=lambda n: n.name
)
def test_other_signals_stay_the_commands_own_affair_however_often_they_come(
    sbtrace: Sbtrace, number: signal.Signals
) -> None:
    """A key of an editor, a reload, a list of threads."""
    name = number.name.removeprefix("SIG")
    traps = f"trap 'echo asked' {name}; trap 'exit 7' TERM"
    script = f"{traps}; echo there; while :; do sleep 1000 & wait; done"
    with started(sbtrace.db, script, NONE) as run:
        assert run.line() == "there"
        for _ in range(3):
            os.kill(run.front, number)
            assert run.line() == "asked"
        os.kill(run.front, signal.SIGTERM)
        assert run.wait() == 7


def test_a_command_that_was_asked_to_end_and_did_so_in_order_takes_the_rest_with_it(
    sbtrace: Sbtrace,
) -> None:
    script = f"trap 'exit 7' TERM; {POLITE}; sleep 1000 & wait"
    with started(sbtrace.db, script) as run:
        assert run.line() == "there"
        os.kill(run.front, signal.SIGTERM)
        assert run.line() == "bye"
        assert run.wait() == 7


def test_a_signal_that_the_caller_ignores_ends_nothing(tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(tmp_path / "db", f"echo $$; {POLITE}", preexec_fn=ignore) as run:
        alone(run)
        os.kill(run.front, signal.SIGHUP)
        os.kill(run.front, signal.SIGTERM)
        assert run.line() == "bye"
        assert run.wait() == 128 + signal.SIGTERM  # SIGHUP came first


def test_daemons_end_ends_them_with_the_command_whose_status_stays(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    options = [*NONE, "--daemons", "end"]
    with started(sbtrace.db, f"{POLITE}; read go < {fifo}; exit 4", options) as run:
        assert run.line() == "there"
        fifo.write_text("\n")
        assert run.line() == "bye"
        assert run.wait() == 4
        assert run.target() == []
    (row,) = sbtrace.sql("SELECT outcome, exit_code FROM runs")
    assert row == {"outcome": "exited", "exit_code": 4}


def test_a_terminal_says_what_is_waited_for_and_ctrl_c_ends_it(
    screen: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "daemon").write_text(POLITE)
    screen.type(f"$S run --trace none sh {tmp_path}/daemon; echo status=$?.\n")
    screen.expect("there")
    screen.expect(r"waiting for 1 process that the command left behind: Ctrl-C ends it\r\n")
    screen.type(CTRL_C)
    screen.expect("bye")
    screen.expect(r"status=130\.")


def test_ctrl_z_gives_the_terminal_back_while_sbtrace_waits(screen: Terminal) -> None:
    screen.type("$S run --trace none setsid -f sleep 1000; echo status=$?.\n")
    screen.expect("waiting for 1 process that the command left behind")
    screen.type(CTRL_Z)
    screen.expect(r"Stopped")
    screen.expect(r"PROMPT\$ ")
    screen.type("fg\n")
    screen.expect(r"sbtrace: [\d.]+ s")  # it goes on, and so has the terminal again
    screen.type(CTRL_C)
    screen.expect(r"PROMPT\$ ")
    screen.type("jobs; echo done.\n")
    screen.expect(r"done\.")
