"""``sbtrace profile learn``: from recorded runs to a profile under which the command passes."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel
COMMAND = ("sh", "-c", "cat /dev/null | wc -c")
TAKEN_AWAY = ("pipe2", "wait4", "lseek")
LOGGED = 'default_action = "log"\n'
GOES_OVER = """
import ctypes, os, socket, sys

class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

libc = ctypes.CDLL(None)
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
os.umask(0o22)
for path in sys.argv[1:]:
    code = open(path, "rb").read()
    filter_ = Program(len(code) // 8, code)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.byref(filter_), 0, 0) == 0  # PR_SET_SECCOMP
taken, _ = server.accept()
client.send(b"x")
taken.send(taken.recv(1).upper())
os.write(1, client.recv(1))
os._exit(0)
"""
"""A server that goes over to a filter once it has started."""
SERVER = ("/usr/bin/python3", "-c", GOES_OVER)


def learned(sbtrace: Sbtrace, *words: str) -> str:
    done = sbtrace("profile", "learn", "--default", "kill_process", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def verified(sbtrace: Sbtrace, folder: Path, text: str) -> dict[str, Any]:
    profile, place = folder / "own.toml", folder / "verdict.json"
    profile.write_text(text)
    sbtrace("profile", "verify", "--json", "-o", place, profile, "--", *COMMAND)
    found: dict[str, Any] = json.loads(place.read_text())
    return found


def test_a_command_passes_under_what_was_learned_and_not_with_one_entry_less(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """The entry that is missing is the one that the verdict names."""
    sbtrace.run(*COMMAND)
    text = learned(sbtrace)
    assert verified(sbtrace, tmp_path, text)["passed"] is True
    used = [name for name in TAKEN_AWAY if f'    "{name}",' in text]
    assert used
    name = used[0]
    less = re.sub(rf'^    "{name}",.*\n', "", text, flags=re.MULTILINE)
    verdict = verified(sbtrace, tmp_path, less)
    assert verdict["passed"] is False
    assert {row["syscall"] for row in verdict["refused"]} == {name}


def test_how_much_the_runs_cover_is_always_said(sbtrace: Sbtrace, tmp_path: Path) -> None:
    """On stderr, which ``-o`` leaves as it is."""
    sbtrace.run("true", options=("--tag", "build=1"))
    sbtrace.run(*COMMAND, options=("--tag", "build=1"))
    done = sbtrace("profile", "learn", "--tag", "build=1", "-o", tmp_path / "own.toml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "learned from 2 runs" in done.stderr
    assert "in run 2 of 2" in done.stderr
    assert "what never ran is not in it" in done.stderr
    assert "2 runs" in (tmp_path / "own.toml").read_text()


def test_runs_that_ebpf_did_not_count_teach_nothing(sbtrace: Sbtrace) -> None:
    sbtrace.run("true", options=("--trace", "none"))
    done = sbtrace("profile", "learn")
    assert (done.returncode, done.stdout) == (125, "")
    assert "none of these runs can be learned from" in done.stderr


def test_a_profile_learned_from_a_run_would_have_let_it_through_and_strict_not(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    sbtrace.run(*COMMAND)
    own = tmp_path / "own.toml"
    own.write_text(learned(sbtrace))
    assert sbtrace("profile", "replay", own, "last").returncode == 0
    strict = sbtrace("profile", "replay", "--json", "STRICT")
    assert strict.returncode == 1
    (run,) = json.loads(strict.stdout)["runs"]
    assert "clone" in {call["syscall"] for call in run["calls"] if call["permits"] is False}


@pytest.mark.parametrize("verb", [("learn",), ("replay", "STRICT")], ids=("learn", "replay"))
def test_that_no_run_was_chosen_is_said_and_is_no_verdict(
    sbtrace: Sbtrace, verb: tuple[str, ...]
) -> None:
    sbtrace.run("true", options=("--trace", "none"))
    done = sbtrace("profile", *verb, "--command", "no such command")
    assert (done.returncode, done.stdout) == (125, "")
    assert "no recorded run is of that command, tag and time" in done.stderr


@pytest.mark.parametrize("option", ["--default", "--name"])
def test_a_profile_that_is_updated_keeps_its_own_default_and_name(
    sbtrace: Sbtrace, tmp_path: Path, option: str
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('default_action = "errno:EPERM"\nallow = ["read"]\n')
    done = sbtrace("profile", "learn", "--update", own, option, "trap")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option} does not go with --update" in done.stderr


def test_a_run_that_was_cut_short_is_named(sbtrace: Sbtrace) -> None:
    sbtrace.run("sh", "-c", "kill -9 $$")
    done = sbtrace("profile", "learn")
    assert done.returncode == 0
    assert re.search(r"cut short  1 run \([0-9a-f]{12}\): a signal or the time limit", done.stderr)


def test_a_default_that_is_no_action_is_named_as_the_option_that_it_is(sbtrace: Sbtrace) -> None:
    sbtrace.run("true")
    done = sbtrace("profile", "learn", "--default", "refuse")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'sbtrace: --default: unknown action "refuse"; known: ' in done.stderr


def test_a_server_goes_over_to_what_it_needs_after_start_up_and_to_no_entry_less(
    sbtrace: Sbtrace, tmp_path: Path
) -> None:
    """The first accept is the beginning; the program itself loads what is learned."""
    logging = tmp_path / "logging.toml"
    logging.write_text(LOGGED)
    assert sbtrace.run(*SERVER, options=("--profile", logging)).process.stdout == "X"
    text = learned(sbtrace, "--after", "accept")
    found = json.loads(sbtrace("profile", "learn", "--after", "accept", "--json").stdout)
    needed = {entry["name"] for entry in found["entries"]}
    assert {"accept4", "recvfrom", "sendto", "write"} <= needed
    assert {"bind", "listen", "umask", "execve"} <= set(found["phases"]["only_before"])
    assert not needed & set(found["phases"]["only_before"])
    assert goes_over_to(sbtrace, tmp_path, text) == (0, "X")
    for name in ("accept4", "recvfrom", "sendto", "write"):
        less = re.sub(rf'^    "{name}",.*\n', "", text, flags=re.MULTILINE)
        assert goes_over_to(sbtrace, tmp_path, less) == (128 + signal.SIGSYS, "")


def goes_over_to(sbtrace: Sbtrace, folder: Path, text: str) -> tuple[int, str]:
    """How the server ends that loads this profile when it has started, and what it wrote."""
    profile, code = folder / "later.toml", folder / "later.bpf"
    profile.write_text(text)
    sbtrace("profile", "export", profile, "--format", "bpf", "-o", code)
    done = sbtrace("run", "--quiet", "--", *SERVER, str(code))
    return done.returncode, done.stdout
