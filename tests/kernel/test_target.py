"""What a target finds when it starts: what its caller had, less what it may not keep; and that
odd targets are run, bounded and recorded like any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel import cgroups, oracle
from tests.kernel.supervised import started, state, until
from tests.support import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel

SBTRACE = str(Path(sys.executable).parent / "sbtrace")
NONE = ["--trace", "none"]


def status_of_target(sbtrace: Sbtrace, *options: str, env: dict[str, str] | None = None) -> Any:
    done = sbtrace("run", "-q", *NONE, *options, "cat", "/proc/self/status", env=env)
    assert done.returncode == 0, done.stderr
    return dict(line.split(":\t", 1) for line in done.stdout.splitlines())


def both(
    sbtrace: Sbtrace, command: list[str], prepare: Callable[[], None] | None = None
) -> tuple[bytes, bytes]:
    """stdout of ``command`` by itself, and under sbtrace, started in the same way."""
    under = [SBTRACE, "run", "-q", "--db", str(sbtrace.db), *NONE, "--", *command]
    outputs = [
        subprocess.run(words, stdout=subprocess.PIPE, preexec_fn=prepare, check=True).stdout
        for words in (command, under)
    ]
    return outputs[0], outputs[1]


# --- identity


def test_the_target_has_no_capability_no_new_privileges_and_a_filter(sbtrace: Sbtrace) -> None:
    found = status_of_target(sbtrace, "--profile", "STRICT")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[name], 16) == 0, name
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


@pytest.mark.usefixtures("reach")
def test_under_sudo_the_target_is_the_invoking_user_with_their_groups(
    sbtrace: Sbtrace, public_folder: Path
) -> None:
    folder = public_folder / "sudo"
    folder.mkdir()
    os.chown(folder, 1, 1)
    env = {"SUDO_UID": "1", "SUDO_GID": "1", "SUDO_USER": "daemon"}
    found = status_of_target(sbtrace, "--db", str(folder / "db"), env=env)
    assert found["Uid"].split() == ["1"] * 4
    assert found["Gid"].split() == ["1"] * 4
    assert set(map(int, found["Groups"].split())) == set(os.getgrouplist("daemon", 1))
    assert (folder / "db").stat().st_uid == 1


@pytest.mark.usefixtures("reach")
def test_under_sudo_the_environment_names_the_invoking_user(
    sbtrace: Sbtrace, public_folder: Path
) -> None:
    folder = public_folder / "sudo-env"
    folder.mkdir()
    os.chown(folder, 1, 1)
    env = {"SUDO_UID": "1", "SUDO_GID": "1", "SUDO_USER": "daemon", "SUDO_COMMAND": "x"}
    done = sbtrace("run", "-q", *NONE, "--db", folder / "db", "env", env=env)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert found["USER"] == found["LOGNAME"] == "daemon"
    assert not [name for name in found if name.startswith("SUDO_")]


@pytest.mark.parametrize("user", ["nobody", "65534"])
def test_user_gives_the_target_another_identity(sbtrace: Sbtrace, user: str) -> None:
    assert status_of_target(sbtrace, "--user", user)["Uid"].split() == ["65534"] * 4


def test_a_uid_without_an_entry_has_its_own_group_alone(sbtrace: Sbtrace) -> None:
    found = status_of_target(sbtrace, "--user", "54321")
    assert found["Uid"].split() == ["54321"] * 4
    assert found["Gid"].split() == ["54321"] * 4
    assert found["Groups"].split() == ["54321"]


def test_a_setuid_program_gives_nothing_under_a_filter(
    sbtrace: Sbtrace, public_folder: Path
) -> None:
    program = public_folder / "setuid-id"
    program.write_bytes(Path("/usr/bin/id").read_bytes())
    program.chmod(0o4755)
    options = ["--user", "nobody", "--profile", "RESOURCE-AWARE"]
    done = sbtrace("run", "-q", *NONE, *options, program, "-u")
    assert done.stdout == "65534\n"


def test_a_profile_of_what_a_static_program_calls_is_enough(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    source = tmp_path / "raw.c"
    source.write_text(
        "static long call(long n, long a, long b, long c) { long r; __asm__ volatile("
        '"syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");'
        ' return r; }\nvoid _start(void) { call(1, 1, (long)"raw\\n", 4); call(231, 0, 0, 0); }\n'
    )
    program = tmp_path / "raw"
    built = run(["cc", "-O", "-static", "-nostdlib", "-o", program, source])
    assert built.returncode == 0, built.stderr
    profile = tmp_path / "least.toml"
    profile.write_text(
        'name = "LEAST"\ndescription = "x"\ndefault_action = "kill_process"\n'
        'allow = ["execve", "write", "exit_group"]\n'
    )
    recorded = sbtrace.run(program, options=["--profile", profile])
    assert recorded.process.stdout == "raw\n"
    assert recorded.process.returncode == 0
    assert recorded.syscalls() == {"execve": 1, "write": 1, "exit_group": 1}
    assert recorded.record["blocked_syscalls"] == 0


# --- what passes through


def test_the_environment_passes_through_unchanged(sbtrace: Sbtrace) -> None:
    def odd() -> None:
        os.putenv(b"ODD", b"\xff\n\x1b[31m = \t")

    direct, under = both(sbtrace, ["env", "-0"], odd)
    assert sorted(direct.split(b"\0")) == sorted(under.split(b"\0"))


def test_signal_mask_and_ignored_signals_are_the_callers(sbtrace: Sbtrace) -> None:
    def odd() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGCHLD, signal.SIGTERM])
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    for prepare in (None, odd):
        direct, under = both(sbtrace, ["grep", "Sig[BI]", "/proc/self/status"], prepare)
        assert direct == under


def test_process_group_session_folder_umask_and_niceness_are_the_callers(sbtrace: Sbtrace) -> None:
    def odd() -> None:
        os.setsid()
        os.umask(0o137)
        os.chdir("/var")
        os.nice(3)

    script = "cut -d' ' -f5,19 /proc/self/stat | sed 's/^[0-9]* /pgrp /'; umask; pwd; ulimit -a"
    direct, under = both(sbtrace, ["sh", "-c", script], odd)
    assert direct == under


def test_the_target_stays_in_the_process_group_of_its_caller(tmp_path: Path) -> None:
    script = "echo $(cut -d' ' -f5,6 /proc/self/stat); sleep 1000"
    with started(tmp_path / "db", script, start_new_session=True) as going:
        assert going.line() == f"{going.front} {going.front}"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_standard_descriptors_that_were_closed_are_closed_for_the_target(
    sbtrace: Sbtrace, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    out = tmp_path / "out"
    # ls has the folder itself open, by the lowest number that is free
    script = f"import os; print(sorted(os.listdir('/proc/self/fd')), file=open({str(out)!r}, 'w'))"
    found = []
    for under in ([], [SBTRACE, "run", "-q", "--db", str(sbtrace.db), *NONE, "--"]):
        words = [*under, sys.executable, "-S", "-c", script]
        done = subprocess.run(words, preexec_fn=close, check=False)
        found.append((done.returncode, out.read_text()))
    assert found[0] == found[1]


def test_inherited_descriptors_end_at_the_target(sbtrace: Sbtrace) -> None:
    with Path("/etc/shadow").open() as secret:
        done = subprocess.run(
            [SBTRACE, "run", "-q", "--db", sbtrace.db, *NONE, "ls", "/proc/self/fd"],
            pass_fds=[secret.fileno()],
            capture_output=True,
            check=True,
        )
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]  # 3 is ls's own, on the folder


def test_stdin_of_a_pipe_is_the_targets(sbtrace: Sbtrace) -> None:
    done = sbtrace("run", "-q", *NONE, "wc", "-c", stdin="x" * 100_000)
    assert done.stdout == "100000\n"


# --- words


def test_a_word_of_almost_128_kib_arrives(sbtrace: Sbtrace) -> None:
    word = "x" * (128 * 1024 - 1)
    done = sbtrace("run", "-q", *NONE, "printf", "%s", word)
    assert done.stdout == word
    assert sbtrace.sql("SELECT len(argv[3]) AS n FROM runs") == [{"n": len(word)}]


def test_words_of_any_bytes_arrive_and_are_kept(sbtrace: Sbtrace) -> None:
    words = ["a\nb", "\x1b[31mred\x1b[0m", "\udcff\udcfe", "", " ", "--help"]
    recorded = sbtrace.run("printf", "%s|", *words, options=NONE)
    assert recorded.process.stdout == "".join(f"{word}|" for word in words)
    assert sbtrace("show", "last").returncode == 0
    assert "\x1b" not in sbtrace("show", "last").stdout
    assert "\x1b" not in sbtrace("runs").stdout


def test_a_program_with_any_bytes_in_its_path_is_run(sbtrace: Sbtrace, tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/odd\n\x1b[31m\xff name"
    Path(os.fsdecode(program)).symlink_to("/bin/echo")
    done = sbtrace("run", *NONE, os.fsdecode(program), "hi")
    assert (done.returncode, done.stdout) == (0, "hi\n")
    assert "\x1b" not in done.stderr


def test_options_after_the_command_are_the_commands(sbtrace: Sbtrace) -> None:
    done = sbtrace("run", "-q", *NONE, "echo", "--profile", "STRICT", "-q", "--")
    assert done.stdout == "--profile STRICT -q --\n"


# --- odd targets


def test_a_run_goes_on_until_the_last_daemon_is_gone(sbtrace: Sbtrace, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f"setsid -f sh -c 'read x < {fifo}'; exit 4"
    with started(sbtrace.db, script) as going:
        until(lambda: len(going.target()) == 1, "the daemon alone is left")
        assert going.process.poll() is None
        fifo.write_text("\n")
        assert going.wait() == 4


def test_a_target_that_stops_itself_is_continued_by_anybody(tmp_path: Path) -> None:
    with started(tmp_path / "db", "echo $$; kill -STOP $$; echo again") as going:
        pid = int(going.line())
        until(lambda: state(going.front) == "T", "the caller sees that it stopped")
        os.kill(pid, signal.SIGCONT)
        assert going.line() == "again"
        assert going.wait() == 0


def test_a_stopped_target_goes_on_with_its_front(tmp_path: Path) -> None:
    with started(tmp_path / "db", "echo $$; kill -STOP $$; echo again") as going:
        going.line()
        until(lambda: state(going.front) == "T", "the caller sees that it stopped")
        os.kill(going.front, signal.SIGCONT)
        assert going.line() == "again"
        assert going.wait() == 0


def test_a_target_that_closes_everything_and_changes_its_name_is_recorded(sbtrace: Sbtrace) -> None:
    script = (
        "import os, ctypes; ctypes.CDLL(None).prctl(15, b'\\n\\x1b[31m', 0, 0, 0); "
        "os.closerange(0, 1000); os._exit(9)"
    )
    recorded = sbtrace.run("/usr/bin/python3", "-c", script)
    assert recorded.process.returncode == 9
    assert recorded.record["exact"] is True
    assert "\x1b" not in sbtrace("show", "last").stdout


# --- bounds


BOMB = (
    "import os, time\nfailed = 0\nfor n in range(50):\n    try:\n        pid = os.fork()\n"
    "    except BlockingIOError:\n        failed += 1\n        continue\n"
    "    if pid == 0:\n        time.sleep(1000)\nprint(failed, flush=True)\nos.killpg(0, 9)\n"
)


def bounded(folder: Path, limit: int = 10) -> Path:
    profile = folder / "bounded.toml"
    profile.write_text(
        'name = "BOUNDED"\ndescription = "x"\ndefault_action = "allow"\nabis = ["any"]\n'
        f"[limits]\nprocesses = {limit}\n"
    )
    return profile


@pytest.mark.parametrize("user", [["--user", "nobody"], []], ids=["nobody", "root"])
def test_processes_bounds_the_whole_target_also_of_root(
    sbtrace: Sbtrace, public_folder: Path, user: list[str]
) -> None:
    cgroups.parent()
    options = ["--profile", bounded(public_folder), *user, *NONE]
    recorded = sbtrace.run("setsid", "python3", "-c", BOMB, options=options)
    # of 50 children 9 beside their parent
    assert recorded.process.stdout == "41\n"
    assert "processes = 10" in recorded.record["limit_hit"]
    assert "41 times" in recorded.record["limit_hit"]


def test_a_bound_of_an_ordinary_user_leaves_room_for_what_runs_already(
    lonely_sbtrace: Sbtrace, public_folder: Path
) -> None:
    options = ["--profile", bounded(public_folder)]
    # Later on, too: sbtrace is the same user's, and must start no thread that takes the room.
    late = f"import time; time.sleep(0.5)\n{BOMB}"
    recorded = lonely_sbtrace.run("setsid", "/usr/bin/python3", "-c", late, options=options)
    assert 35 <= int(recorded.process.stdout) <= 41


def test_no_cgroup_is_left_behind_also_not_by_a_killed_sbtrace(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    parent = cgroups.parent()
    options = [*NONE, "--profile", str(bounded(tmp_path))]
    with started(sbtrace.db, "echo $$; sleep 1000", options) as going:
        pid = int(going.line())
        mine = parent / cgroups.own(Path(f"/proc/{pid}/cgroup").read_text())
        os.kill(going.supervisor, signal.SIGKILL)
        until(lambda: not going.target(), "the target is dead")
        assert mine.exists()
    recorded = sbtrace.run("cat", "/proc/self/cgroup", options=options)
    assert not mine.exists(), "the next run clears it away"
    assert not (parent / cgroups.own(recorded.process.stdout)).exists()


# --- figures


@pytest.mark.parametrize("profile", ["LEARNING", "STRICT"])
def test_what_the_launcher_used_is_not_in_the_targets_figures(
    sbtrace: Sbtrace, programs: Programs, profile: str
) -> None:
    # Faults of the same program, started by a C program: the fewest of several, on both sides.
    faults, cpu = [], []
    for _ in range(3):
        record = sbtrace.run(programs["nothing"], options=["--profile", profile, *NONE]).record
        faults.append(record["minor_faults"])
        cpu.append(record["user_ns"] + record["system_ns"])
    direct = min(oracle.run_to_zombie([programs["nothing"]]).rusage.ru_minflt for _ in range(3))
    assert min(faults) <= direct + 20
    assert min(cpu) < 6_000_000
