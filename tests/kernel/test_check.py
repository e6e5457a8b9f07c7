"""``sbtrace check``: a build fails when a program asks more of the kernel than was accepted."""

from __future__ import annotations

import json
import socket
import tomllib
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Completed, Programs, Sbtrace

pytestmark = pytest.mark.kernel
QUIET = ("/bin/sh", "-c", ":")
LOUDER = ("/bin/sh", "-c", "cd /; umask 077")
FAILING = 7
OPENS = "import socket, sys; [socket.socket(int(n), socket.SOCK_DGRAM) for n in sys.argv[1:]]"


class Checked:
    """``sbtrace check`` with a baseline of its own."""

    def __init__(self, sbtrace: Sbtrace, folder: Path) -> None:
        self.path = folder / "surface.toml"
        self.grown = folder / "surface.toml.grown"
        self._sbtrace = sbtrace

    def __call__(self, *command: str, options: tuple[str, ...] = ()) -> Completed:
        return self._sbtrace("check", "--baseline", self.path, *options, "--", *command)

    def accept(self, *command: str) -> Completed:
        return self(*command, options=("--update",))


@pytest.fixture
def check(sbtrace: Sbtrace, tmp_path: Path) -> Checked:
    return Checked(sbtrace, tmp_path)


def test_a_missing_baseline_is_an_error_that_names_update_and_starts_nothing(
    check: Checked, tmp_path: Path
) -> None:
    mark = tmp_path / "started"
    done = check("/usr/bin/touch", str(mark))
    assert (done.returncode, mark.exists()) == (125, False)
    assert "no such baseline yet: --update records the first one" in done.stderr


def test_what_is_new_fails_as_such_and_is_said_where_it_cannot_be_kept(
    check: Checked, tmp_path: Path
) -> None:
    assert check.accept(*QUIET).returncode == 0
    check.grown.symlink_to(tmp_path / "gone" / "file")
    done = check(*LOUDER)
    assert done.returncode == 1
    said = "cannot be written: No such file or directory: what was found is not kept, so another"
    assert f"sbtrace: {check.grown}: {said} try may pass\n" in done.stderr


def test_what_was_accepted_passes_and_what_is_more_fails_and_is_named(check: Checked) -> None:
    assert check.accept(*QUIET).returncode == 0
    before = check.path.read_bytes()
    assert check(*QUIET).returncode == 0
    done = check(*LOUDER)
    assert done.returncode == 1
    assert "2 syscalls beyond it" in done.stderr
    assert "chdir (x86_64), 1 call, by /bin/sh -c 'cd /; umask 077'" in " ".join(
        done.stderr.split()
    )
    assert check.path.read_bytes() == before


def test_a_second_try_that_takes_another_way_does_not_pass(check: Checked) -> None:
    """Until what was found is accepted, or somebody says that it is gone."""
    check.accept(*QUIET)
    assert check(*LOUDER).returncode == 1
    again = check(*QUIET)
    assert again.returncode == 1
    assert "by an earlier check, not by this run" in " ".join(again.stderr.split())
    check.grown.unlink()
    assert check(*QUIET).returncode == 0
    assert check(*LOUDER).returncode == 1
    assert check.accept(*QUIET).returncode == 0
    assert not check.grown.exists()
    assert check(*LOUDER).returncode == 0


def opening(*families: socket.AddressFamily) -> tuple[str, ...]:
    return "/usr/bin/python3", "-c", OPENS, *(str(int(family)) for family in families)


def test_a_socket_of_another_domain_is_named_by_its_word_and_stays_until_it_is_accepted(
    check: Checked,
) -> None:
    unix = opening(socket.AF_UNIX)
    more = opening(socket.AF_UNIX, socket.AF_PACKET)
    assert check.accept(*unix).returncode == 0
    assert check(*unix).returncode == 0
    done = check(*more)
    assert done.returncode == 1
    assert "1 argument value beyond it" in done.stderr
    assert "socket (x86_64): domain AF_PACKET, by /usr/bin/python3" in " ".join(done.stderr.split())
    again = " ".join(check(*unix).stderr.split())
    assert "domain AF_PACKET, by an earlier check, not by this run" in again
    assert check.accept(*more).returncode == 0
    assert check(*more).returncode == 0


def test_a_baseline_of_an_older_sbtrace_fails_nothing_and_says_what_is_not_compared(
    check: Checked,
) -> None:
    check.accept(*opening(socket.AF_UNIX))
    text = check.path.read_text()
    older = text.partition("\n[values")[0].replace("version = 2\n", "")
    check.path.write_text(older)
    done = check(*opening(socket.AF_PACKET))
    assert done.returncode == 0
    assert "--update adds those of a run" in " ".join(done.stderr.split())
    check.accept(*opening(socket.AF_UNIX))
    assert check.path.read_text() == text
    assert check(*opening(socket.AF_PACKET)).returncode == 1


def test_more_values_than_are_recorded_are_never_taken_for_the_same(
    check: Checked, programs: Programs
) -> None:
    many = str(programs["arguments"])
    check.accept(many)
    done = check(many)
    assert done.returncode == 0
    why = "one process made it in more ways than are recorded"
    assert f"all values of ioctl (x86_64), which is accepted: {why}" in " ".join(
        done.stderr.split()
    )
    check.path.write_text(check.path.read_text().partition("\n[unknown]")[0])
    done = check(many)
    assert done.returncode == 1
    assert f"ioctl (x86_64): not all values are known, as {why}, by {many}" in " ".join(
        done.stderr.split()
    )


def test_a_baseline_is_the_same_text_after_each_run_and_each_call_has_a_line(
    check: Checked,
) -> None:
    check.accept(*LOUDER)
    text = check.path.read_text()
    check.accept(*QUIET)
    again = check.path.read_text()
    calls = tomllib.loads(text)["calls"]["x86_64"]
    assert calls == sorted(calls)
    assert {"umask", "chdir", "execve"} <= set(calls)
    assert all(f'    "{name}",' in text.splitlines() for name in calls)
    body = [each.partition("\n[calls]\n")[2] for each in (text, again)]
    assert body[0] == body[1]


def test_a_command_that_failed_is_said_and_its_status_kept(check: Checked) -> None:
    failing = ("/bin/sh", "-c", f"exit {FAILING}")
    check.accept(*QUIET)
    done = check(*failing)
    assert done.returncode == FAILING
    assert f"nothing new; the command failed: exited with status {FAILING}" in done.stderr


def test_a_command_that_failed_is_not_accepted(check: Checked) -> None:
    done = check.accept("/bin/sh", "-c", f"exit {FAILING}")
    assert done.returncode == 1
    assert not check.path.exists()
    assert f"not updated, as the command failed: exited with status {FAILING}" in done.stderr


def test_a_refused_call_is_part_of_the_surface(check: Checked, tmp_path: Path) -> None:
    profile = tmp_path / "no-chdir.toml"
    profile.write_text('default_action = "allow"\n[errno]\nEACCES = ["chdir"]\n')
    under = ("--profile", str(profile))
    check.accept(*QUIET)
    done = check("/bin/sh", "-c", "cd / || :", options=(*under, "--json"))
    found = json.loads(done.stderr.partition("\n{")[2].join(["{", ""]) if done.stderr else "")
    assert done.returncode == 1
    assert not found["passed"]
    refused = [each for each in found["grown"] if each["kind"] == "refused"]
    assert [(each["syscall"], each["action"]) for each in refused] == [("chdir", "errno:EACCES")]


def test_build_servers_get_the_formats_that_they_know(check: Checked, tmp_path: Path) -> None:
    check.accept(*QUIET)
    report = tmp_path / "report.xml"
    assert check(*LOUDER, options=("--format", "junit", "-o", str(report))).returncode == 1
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("6", "1")
    lines = check(*LOUDER, options=("--format", "github")).stderr.splitlines()
    assert sum(line.startswith("::error file=") for line in lines) == 2
    assert any("title=sbtrace%3A new call::umask (x86_64)" in line for line in lines)


def test_a_baseline_that_is_wrong_is_said_and_nothing_started(
    check: Checked, tmp_path: Path
) -> None:
    mark = tmp_path / "started"
    for wrong in ("calls = 1\n", "no toml", "[colls]\nx86_64 = []\n", "[calls]\nx86_64 = [1]\n"):
        check.path.write_text(wrong)
        done = check("/usr/bin/touch", str(mark))
        assert (done.returncode, mark.exists()) == (125, False)
        assert f"{check.path}: no baseline:" in done.stderr
