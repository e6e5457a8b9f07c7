"""Whom a target may signal: under a profile that restricts, nobody but itself."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import children, started, state, until
from tests.kernel.terminal import CTRL_C, CTRL_Z, terminal
from tracer.sandbox import landlock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.supervised import Started
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

NONE = ["--trace", "none"]
PYTHON = "/usr/bin/python3"
# Tries to do what the words say to each of sbtrace's three processes, by each way there is.
ATTACK = """
import ctypes, errno, os, signal
libc = ctypes.CDLL(None, use_errno=True)
def parent(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
def tgkill(pid):
    if libc.syscall(234, pid, pid, signal.SIGSTOP):
        raise OSError(ctypes.get_errno(), "tgkill")
def by_pidfd(pid):
    signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGSTOP)
def sigqueue(pid):
    if libc.sigqueue(pid, signal.SIGSTOP, None):
        raise OSError(ctypes.get_errno(), "sigqueue")
pid = os.getpid()
for _ in range(3):
    pid = parent(pid)
    for way in (lambda pid: os.kill(pid, signal.SIGKILL), tgkill, by_pidfd, sigqueue):
        try:
            way(pid)
            print("done")
        except OSError as error:
            print(errno.errorcode[error.errno])
"""
ATTEMPTS = 3 * 4
# Signals that the kernel sends because a descriptor says so: fcntl(2), F_SETOWN and F_SETSIG.
BY_DESCRIPTOR = """
import fcntl, os, signal, sys
reading, writing = os.pipe()
fcntl.fcntl(reading, fcntl.F_SETOWN, int(sys.argv[1]))
fcntl.fcntl(reading, 10, int(signal.SIGKILL))
fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
os.write(writing, b"x")
print("written", flush=True)
"""


@pytest.fixture
def restricting(public_folder: Path) -> str:
    """A profile that restricts as little as one can."""
    if not landlock.can_scope_signals():
        pytest.skip("Landlock's scopes need Linux 6.12")
    profile = public_folder / "least.toml"
    profile.write_text(
        'name = "LEAST"\ndescription = "x"\ndefault_action = "allow"\n[errno]\nEPERM = ["reboot"]\n'
    )
    return str(profile)


def test_a_target_of_roots_cannot_signal_sbtrace(sbtrace: Sbtrace, restricting: str) -> None:
    done = sbtrace("run", "-q", *NONE, "--profile", restricting, PYTHON, "-c", ATTACK)
    assert done.stdout.split() == ["EPERM"] * ATTEMPTS, done.stderr
    assert done.returncode == 0


def test_a_target_of_an_ordinary_user_cannot_signal_sbtrace(
    ordinary_sbtrace: Sbtrace, restricting: str
) -> None:
    done = ordinary_sbtrace("run", "-q", "--profile", restricting, PYTHON, "-c", ATTACK)
    assert done.stdout.split() == ["EPERM"] * ATTEMPTS, done.stderr
    assert done.returncode == 0


def test_no_descriptor_of_a_target_signals_sbtrace(sbtrace: Sbtrace, restricting: str) -> None:
    script = f"{PYTHON} -c '{BY_DESCRIPTOR}' $PPID; exit 3"
    done = sbtrace("run", "-q", *NONE, "--profile", restricting, "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("written\n", 3)


def test_a_target_signals_its_own_processes_as_ever(sbtrace: Sbtrace, restricting: str) -> None:
    script = (
        "sleep 1000 & kill -STOP $!; kill -CONT $!; kill $!; wait $!; echo $?;"
        "setsid sh -c 'sleep 1000 & kill -9 $!; wait $!; echo $?'; kill -USR1 $$"
    )
    done = sbtrace("run", "-q", *NONE, "--profile", restricting, "sh", "-c", script)
    assert done.stdout.split() == ["143", "137"]
    assert done.returncode == 128 + signal.SIGUSR1


def test_a_target_that_signals_its_process_group_reaches_itself_alone(
    tmp_path: Path, restricting: str
) -> None:
    options = [*NONE, "--profile", restricting]
    with started(tmp_path / "db", "kill -KILL 0", options, start_new_session=True) as run:
        assert run.wait() == 128 + signal.SIGKILL


def test_a_terminal_steers_a_target_that_may_signal_nobody(
    sbtrace: Sbtrace, restricting: str
) -> None:
    with terminal({"SBTRACE_DB": str(sbtrace.db), "P": restricting}) as screen:
        screen.type("$S run -q --trace none -p $P sh -c 'echo pid=$$.; exec sleep 1000'\n")
        pid = int(screen.expect(r"pid=(\d+)\.")[1])
        screen.type(CTRL_Z)
        screen.expect("Stopped")
        assert state(pid) == "T"
        screen.type("fg\n")
        until(lambda: state(pid) == "S", "the command goes on")
        screen.type(CTRL_C)
        screen.expect(r"PROMPT\$ ")
        screen.type("echo status=$?.\n")
        screen.expect(r"status=130\.")


def test_a_profile_that_filters_nothing_leaves_signals_alone(sbtrace: Sbtrace) -> None:
    script = "kill -0 $PPID && echo may"
    assert sbtrace("run", "-q", *NONE, "sh", "-c", script).stdout == "may\n"


# --- what the kernel does when nobody of sbtrace is left to do anything


def everybody(run: Started) -> list[int]:
    """sbtrace's three processes, the one last that has the target as its child."""
    return [run.front, run.guard, run.supervisor]


@pytest.mark.parametrize("user", [[], ["--user", "nobody"]], ids=["root", "nobody"])
@pytest.mark.parametrize("profile", ["LEARNING", "RESOURCE-AWARE"])
def test_the_kernel_kills_the_command_if_no_part_of_sbtrace_can(
    tmp_path: Path, user: list[str], profile: str
) -> None:
    """Also after a change of identity, which takes the parent's death signal away: prctl(2)."""
    options = [*NONE, *user, "--profile", profile]
    with started(tmp_path / "db", "echo $$; exec sleep 1000", options) as run:
        pid = int(run.line())
        front, guard, supervisor = everybody(run)
        for other in (front, guard):
            os.kill(other, signal.SIGSTOP)
        until(lambda: {state(front), state(guard)} == {"T"}, "the two others are stopped")
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: state(pid) is None, "the command is dead")
        os.kill(guard, signal.SIGCONT)


def test_what_the_command_left_behind_outlives_a_death_of_all_three_at_once(
    tmp_path: Path,
) -> None:
    """A limit, and why a target must not be able to bring it about."""
    with started(tmp_path / "db", "setsid -f sleep 1000; echo $$; exec sleep 1000") as run:
        pid = int(run.line())
        until(lambda: len(children(run.supervisor)) == 2, "the daemon is sbtrace's")
        for other in everybody(run):
            os.kill(other, signal.SIGSTOP)
        for other in reversed(everybody(run)):
            os.kill(other, signal.SIGKILL)
        until(lambda: state(pid) is None, "the command is dead")
        assert len(run.target()) == 1
