"""How a run is steered and how it ends: signals, job control, time limits, exit statuses."""

from __future__ import annotations

import json
import os
import secrets
import signal
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import children, marked, started, state, until, waits_in
from tests.kernel.terminal import CTRL_C, CTRL_Z, Terminal, terminal
from tracer import syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

COUNT_SIGNALS = """
import os, signal, sys, time
got = {n: 0 for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)}
def count(number, frame):
    got[number] += 1
for n in got:
    signal.signal(n, count)
print("ready", flush=True)
while not any(got.values()):
    time.sleep(0.01)
time.sleep(0.3)
print(*[f"{signal.Signals(n).name}={c}" for n, c in got.items() if c], flush=True)
"""


WAITING_FOR_INPUT = {
    syscalls.number(syscalls.native_abi(), name) for name in ("read", "poll", "ppoll", "pselect6")
}


def outcomes(sbtrace: Sbtrace) -> list[str]:
    """Of all runs, the first one first."""
    rows = sbtrace.sql("SELECT outcome FROM runs ORDER BY started_at")
    return [row["outcome"] for row in rows]


@pytest.mark.parametrize("status", [0, 1, 3, 125, 255])
def test_the_exit_status_is_the_targets_own(sbtrace: Sbtrace, status: int) -> None:
    recorded = sbtrace.run("sh", "-c", f"exit {status}", options=["--trace", "none"])
    assert recorded.process.returncode == status
    assert recorded.record["exit_code"] == status
    assert recorded.record["outcome"] == "exited"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_death_by_a_signal_is_128_and_its_number(sbtrace: Sbtrace, number: signal.Signals) -> None:
    recorded = sbtrace.run("sh", "-c", f"kill -{number} $$", options=["--trace", "none"])
    assert recorded.process.returncode == 128 + number
    assert recorded.record["term_signal"] == number
    assert recorded.record["outcome"] == "signaled"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT], ids=lambda n: n.name
)
def test_a_signal_to_sbtrace_ends_the_target_and_the_run_is_recorded(
    sbtrace: Sbtrace, number: signal.Signals
) -> None:
    with started(sbtrace.db, "echo ready; exec sleep 1000") as run:
        assert run.line() == "ready"
        os.kill(run.front, number)
        assert run.wait() == 128 + number
    assert outcomes(sbtrace) == ["interrupted"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_to_sbtrace_reaches_the_command_once(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path / "db", f"exec python3 -c '{COUNT_SIGNALS}'") as run:
        assert run.line() == "ready"
        os.kill(run.front, number)
        assert run.line() == f"{number.name}=1"


def test_a_signal_to_the_process_group_reaches_the_command_once(tmp_path: Path) -> None:
    script = f"exec python3 -c '{COUNT_SIGNALS}'"
    with started(tmp_path / "db", script, start_new_session=True) as run:
        assert run.line() == "ready"
        os.killpg(run.front, signal.SIGTERM)
        assert run.line() == "SIGTERM=1"


def test_a_signal_to_the_supervisor_alone_reaches_the_command_once(tmp_path: Path) -> None:
    with started(tmp_path / "db", f"exec python3 -c '{COUNT_SIGNALS}'") as run:
        assert run.line() == "ready"
        os.kill(run.supervisor, signal.SIGTERM)
        assert run.line() == "SIGTERM=1"


def test_a_target_that_took_the_signal_and_ended_by_itself_was_not_interrupted(
    sbtrace: Sbtrace,
) -> None:
    with started(
        sbtrace.db, "trap 'exit 7' INT TERM; echo ready; while :; do sleep 0.05; done"
    ) as run:
        assert run.line() == "ready"
        os.kill(run.front, signal.SIGTERM)
        assert run.wait() == 7
    assert outcomes(sbtrace) == ["exited"]


def test_sigterm_before_the_target_was_let_go_starts_nothing(tmp_path: Path) -> None:
    with started(tmp_path / "db", "echo started", ["--trace", "full"]) as run:
        until(lambda: children(run.front), "sbtrace has forked its guard")
        os.kill(run.front, signal.SIGTERM)
        assert run.wait() == 128 + signal.SIGTERM
        assert run.line() == ""


def test_nohup_protects_the_target_too(sbtrace: Sbtrace) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with started(sbtrace.db, "echo ready; sleep 0.3; echo done", preexec_fn=ignore) as run:
        assert run.line() == "ready"
        os.kill(run.front, signal.SIGHUP)
        assert run.line() == "done"
        assert run.wait() == 0


TIMEOUTS = {
    "polite": "echo ready; exec sleep 1000",
    "deaf": "trap '' TERM; echo ready; while :; do sleep 1000; done",
    "stopped": "echo ready; kill -STOP $$",
    "daemons": "for n in 1 2 3; do setsid -f sleep 1000; done; echo ready",
    "deaf daemon": "setsid -f sh -c 'trap \"\" TERM; while :; do sleep 1000; done'; echo ready",
    "forks": "echo ready; trap '' TERM; while :; do (trap '' TERM; sleep 1000) & sleep 0.01; done",
    "chain": "python3 -c 'import os, signal; signal.signal(15, signal.SIG_IGN); "
    'print("ready", flush=True)\nwhile not os.fork() or os._exit(0): pass\'; sleep 1000',
}


@pytest.mark.parametrize("name", list(TIMEOUTS))
def test_a_timeout_ends_the_whole_target_with_124(sbtrace: Sbtrace, name: str) -> None:
    ready = False
    for seconds in ("0.5", "5", "20"):  # a busy machine takes longer to get there
        with started(sbtrace.db, TIMEOUTS[name], ["--trace", "none", "--timeout", seconds]) as run:
            ready = run.line() == "ready"
            assert run.wait() == 124
            assert run.target() == []
        if ready:
            break
    assert ready
    assert outcomes(sbtrace)[-1] == "timed_out"


def test_a_traced_target_that_forks_faster_than_it_is_read_is_ended_in_time(
    sbtrace: Sbtrace,
) -> None:
    loop = "while :; do /bin/true; done"
    options = ["--trace", "full", "--timeout", "1"]
    with started(sbtrace.db, f"for n in 1 2 3; do ({loop}) & done; {loop}", options) as run:
        assert run.wait() == 124


def test_a_target_that_ends_in_time_is_not_timed_out(sbtrace: Sbtrace) -> None:
    recorded = sbtrace.run("true", options=["--trace", "none", "--timeout", "60"])
    assert (recorded.process.returncode, recorded.record["outcome"]) == (0, "exited")


@pytest.fixture
def screen(sbtrace: Sbtrace) -> Iterator[Terminal]:
    with terminal({"SBTRACE_DB": str(sbtrace.db)}) as found:
        yield found


def test_ctrl_c_reaches_the_target_once_and_the_status_is_130(
    sbtrace: Sbtrace, screen: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "count.py").write_text(COUNT_SIGNALS)
    screen.type(f"$S run -q --trace none python3 {tmp_path}/count.py; echo status=$?.\n")
    screen.expect("ready")
    screen.type(CTRL_C)
    screen.expect(r"SIGINT=1\s")
    screen.expect(r"status=0\.")
    screen.type("$S run -q --trace none sh -c 'echo ready; exec sleep 1000'; echo status=$?.\n")
    screen.expect("ready")
    screen.type(CTRL_C)
    screen.expect(r"status=130\.")
    assert outcomes(sbtrace) == ["exited", "interrupted"]


def test_ctrl_z_stops_the_job_and_fg_lets_it_go_on(screen: Terminal) -> None:
    screen.type("$S run -q --trace none sh -c 'echo pid=$$.; read line; echo got $line.'\n")
    pid = int(screen.expect(r"pid=(\d+)\.")[1])
    screen.type(CTRL_Z)
    screen.expect(r"Stopped")
    screen.expect(r"PROMPT\$ ")
    assert state(pid) == "T"
    screen.type("fg\n")
    until(lambda: state(pid) == "S", "the command goes on")
    screen.type("hello\n")
    screen.expect(r"got hello\.")
    screen.expect(r"PROMPT\$ ")


def test_a_job_can_go_on_in_the_background_and_is_stopped_when_it_reads(screen: Terminal) -> None:
    screen.type("$S run -q --trace none sh -c 'echo pid=$$.; read line; echo got $line.'\n")
    pid = int(screen.expect(r"pid=(\d+)\.")[1])
    screen.type(CTRL_Z)
    screen.expect(r"Stopped")
    screen.type("bg; while jobs | grep Running; do sleep 0.05; done; echo no longer.\n")
    screen.expect(r"no longer\.")
    assert state(pid) == "T"
    screen.type("fg\n")
    screen.type("hello\n")
    screen.expect(r"got hello\.")


def test_an_interactive_shell_works_as_the_target(screen: Terminal) -> None:
    screen.type("PS1='INNER> ' $S run -q --trace none bash --norc --noprofile -i\n")
    screen.expect("INNER> ")
    screen.type("sh -c 'echo pid=$$.; exec sleep 1000'\n")
    pid = int(screen.expect(r"pid=(\d+)\.")[1])
    screen.type(CTRL_Z)
    screen.expect(r"Stopped")
    screen.expect("INNER> ")
    screen.type("fg\n")
    until(lambda: state(pid) == "S", "the command goes on")
    screen.type(CTRL_C)
    screen.expect("INNER> ")
    screen.type("exit 5\n")
    screen.expect(r"PROMPT\$ ")
    screen.type("echo status=$?.\n")
    screen.expect(r"status=5\.")


def test_a_terminal_shows_how_a_long_run_goes_below_what_is_typed(screen: Terminal) -> None:
    screen.type("$S run --trace none sh -c 'read line; echo got $line.'\n")
    screen.expect(r"\x1b8")
    screen.type("a")
    screen.expect("a")
    screen.expect(r"sbtrace: [0-9.]+ s  CPU ")
    screen.type(CTRL_Z)
    screen.expect(r"\x1b\[J[^\x1b]*Stopped")  # the shell finds the screen without it
    screen.expect(r"PROMPT\$ ")
    screen.type("fg\n")
    screen.type("b\n")
    screen.expect(r"got b\.")  # Ctrl-Z took the other letter
    screen.expect("exited with status 0")


def test_a_full_screen_pager_works(screen: Terminal, tmp_path: Path) -> None:
    mark = f"MARK={secrets.token_hex(8)}"
    text = tmp_path / "text"
    text.write_text("".join(f"line {n}\n" for n in range(500)))
    screen.type(f"$S run -q --trace none env {mark} less {text}; echo status=$?.\n")
    screen.expect("line 5")
    (less,) = marked(mark)
    screen.type("G")
    screen.expect("line 499")
    screen.expect("END")
    # less takes a signal to heart only once it waits for a key
    until(lambda: waits_in(less) in WAITING_FOR_INPUT, "less waits")
    screen.type(CTRL_Z)
    screen.expect("Stopped")
    screen.expect(r"PROMPT\$ ")
    screen.type("fg\n")
    screen.expect("line 499")
    screen.type("q")
    screen.expect(r"PROMPT\$ ")


def test_the_record_of_json_is_one_object_on_stderr(sbtrace: Sbtrace) -> None:
    process = sbtrace("run", "--json", "--trace", "none", "echo", "hi")
    assert process.stdout == "hi\n"
    assert json.loads(process.stderr)["exit_code"] == 0


def test_a_dash_is_stdout_after_the_commands_own(sbtrace: Sbtrace) -> None:
    """`-o -`: no file of that name, and what the command printed comes first."""
    done = sbtrace("run", "--json", "-o", "-", "--", "echo", "hello", cwd=sbtrace.folder)
    first, _, rest = done.stdout.partition("\n")
    assert (first, json.loads(rest)["argv"]) == ("hello", ["echo", "hello"])
    assert done.stderr == ""
    asked = sbtrace("query", "SELECT 7 AS n", "--format", "csv", "-o", "-", cwd=sbtrace.folder)
    assert asked.stdout == "n\n7\n"
    assert not (sbtrace.folder / "-").exists()
