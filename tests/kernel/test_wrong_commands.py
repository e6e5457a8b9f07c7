"""Whatever is wrong with a command line, a profile or a command: one clear line, the right
exit status, no traceback, and nothing was started."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel


@dataclass(frozen=True)
class Wrong:
    """A command line; {dir} is a folder with the files of ``folder``, {touch} starts a command
    that leaves a trace if it is started."""

    words: str
    status: int
    says: str
    """A regular expression that the line matches."""


TOUCH = "/usr/bin/touch {dir}/started"
CASES = {
    # the command line: 2
    "no command": Wrong("run", 2, "CMD"),
    "unknown verb": Wrong("runn ls", 2, "runn"),
    "unknown option": Wrong(f"run --profil STRICT {TOUCH}", 2, "--profil"),
    "option without value": Wrong("run --profile", 2, "--profile"),
    "timeout is no number": Wrong(f"run --timeout soon {TOUCH}", 2, "--timeout"),
    "timeout is negative": Wrong(f"run --timeout -1 {TOUCH}", 2, "--timeout"),
    "timeout is nan": Wrong(f"run --timeout nan {TOUCH}", 2, "--timeout"),
    "interval is too short": Wrong(f"run --interval 1 {TOUCH}", 2, "10 to 60000"),
    "interval is no number": Wrong(f"run --interval x {TOUCH}", 2, "--interval"),
    "trace is unknown": Wrong(f"run --trace some {TOUCH}", 2, "auto.*full.*none"),
    "tag without value": Wrong(f"run --tag build {TOUCH}", 2, "KEY=VALUE"),
    "tag without key": Wrong(f"run --tag =1 {TOUCH}", 2, "KEY=VALUE"),
    # profile, user, database, output: 125
    "profile unknown": Wrong(f"run --profile STRIKT {TOUCH}", 125, "STRICT"),
    "profile file missing": Wrong(f"run --profile {{dir}}/no.toml {TOUCH}", 125, "no.toml"),
    "profile is a directory": Wrong(f"run --profile {{dir}}/folder {TOUCH}", 125, "folder"),
    "profile is no TOML": Wrong(f"run --profile {{dir}}/junk.toml {TOUCH}", 125, "junk.toml"),
    "profile is binary": Wrong(f"run --profile {{dir}}/binary.toml {TOUCH}", 125, "binary.toml"),
    "profile with unknown key": Wrong(f"run --profile {{dir}}/key.toml {TOUCH}", 125, "colour"),
    "profile with unknown call": Wrong(f"run --profile {{dir}}/call.toml {TOUCH}", 125, "openn"),
    "profile with bad limit": Wrong(f"run --profile {{dir}}/limit.toml {TOUCH}", 125, "open_files"),
    "user unknown": Wrong(f"run --user nobody-such {TOUCH}", 125, "no such user"),
    "user out of range": Wrong(f"run --user 4294967295 {TOUCH}", 125, "uid"),
    "user empty": Wrong(f"run --user= {TOUCH}", 125, "--user"),
    "database is a text file": Wrong(f"run --db {{dir}}/text {TOUCH}", 125, "not a DuckDB"),
    "database is a directory": Wrong(f"run --db {{dir}}/folder {TOUCH}", 125, "folder"),
    "database in a file": Wrong(f"run --db {{dir}}/text/db {TOUCH}", 125, "text"),
    "database empty": Wrong(f"run --db= {TOUCH}", 125, "--db"),
    "output in a missing folder": Wrong(f"run -o {{dir}}/no/out {TOUCH}", 125, "no/out"),
    "output is a directory": Wrong(f"run -o {{dir}}/folder {TOUCH}", 125, "folder"),
    # the command: 126, 127
    "command unknown": Wrong("run no-such-command", 127, "not found"),
    "command file missing": Wrong("run {dir}/missing", 127, "No such file"),
    "command in a file": Wrong("run {dir}/text/x", 127, "Not a directory"),
    "command with a name too long": Wrong("run /" + "x" * 5000, 127, "too long"),
    "command is empty": Wrong("run --", 2, "CMD"),
    "command is a directory": Wrong("run {dir}/folder", 126, "directory"),
    "command is not executable": Wrong("run {dir}/text", 126, "not executable"),
    "command is a device": Wrong("run /dev/null", 126, "not a regular file"),
    "command is no program": Wrong("run {dir}/noformat", 126, "no program"),
    "command is an empty file": Wrong("run {dir}/empty", 126, "no program"),
    "interpreter is missing": Wrong("run {dir}/script", 127, "interpreter"),
    "interpreter is a directory": Wrong("run {dir}/script2", 126, "may not execute"),
    "profile forbids execve": Wrong(f"run --profile {{dir}}/noexec.toml {TOUCH}", 125, "execve"),
    "profile kills at execve": Wrong(f"run --profile {{dir}}/noexec2.toml {TOUCH}", 125, "execve"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("wrong")
    (found / "folder").mkdir()
    (found / "text").write_text("this is a text, not a database of any kind, and no program\n")
    head = 'name = "X"\ndescription = "x"\ndefault_action = "allow"\n'
    (found / "junk.toml").write_text("[[[")
    (found / "binary.toml").write_bytes(bytes(range(256)))
    (found / "key.toml").write_text(head + 'colour = "red"\n')
    (found / "call.toml").write_text(head + 'kill_process = ["openn"]\n')
    (found / "limit.toml").write_text(head + "[limits]\nopen_files = -1\n")
    (found / "noexec.toml").write_text(head + '[errno]\nEPERM = ["execve"]\n')
    none = head.replace("allow", "kill_process") + 'allow = ["write"]\n'
    (found / "noexec2.toml").write_text(none)
    for name, content in {
        "noformat": b"\x00\x01\x02\x03",
        "empty": b"",
        "script": b"#!/no/such/interpreter\n",
        "script2": b"#!/tmp\n",
    }.items():
        (found / name).write_bytes(content)
        (found / name).chmod(0o755)
    return found


@pytest.mark.parametrize("name", list(CASES))
def test_a_wrong_command_line_is_one_line_and_starts_nothing(
    sbtrace: Sbtrace, folder: Path, name: str
) -> None:
    case = CASES[name]
    words = [word.format(dir=folder) for word in case.words.split(" ")]
    done = sbtrace(*words)
    assert done.returncode == case.status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("sbtrace: ")
    assert re.search(case.says, line)
    assert not (folder / "started").exists()
    assert not sbtrace.db.exists()
    assert not list(sbtrace.folder.glob("*.spool/*")), "nothing is recorded of what did not start"


def test_an_empty_word_is_no_command(sbtrace: Sbtrace) -> None:
    done = sbtrace("run", "")
    assert (done.returncode, len(done.stderr.splitlines())) == (127, 1)


def test_what_is_said_of_a_hostile_name_is_one_line_without_escapes(sbtrace: Sbtrace) -> None:
    done = sbtrace("run", "./a\nb\x1b[31mred\x07")
    assert done.returncode == 127
    (line,) = done.stderr.splitlines()
    assert line.isprintable()
    assert r"a\nb\x1b[31mred\x07" in line


def test_an_unreadable_profile_is_said_to_be_unreadable(
    ordinary_sbtrace: Sbtrace, public_folder: Path
) -> None:
    profile = public_folder / "secret.toml"
    profile.write_text('name = "X"\n')
    profile.chmod(0o600)
    done = ordinary_sbtrace("run", "--profile", profile, "true")
    assert done.returncode == 125
    (line,) = done.stderr.splitlines()
    assert "secret.toml" in line
    assert "ermission denied" in line


def test_an_ordinary_user_cannot_take_another_user(ordinary_sbtrace: Sbtrace) -> None:
    done = ordinary_sbtrace("run", "--user", "root", "true")
    assert done.returncode == 125
    assert "only root" in done.stderr


def test_a_folder_of_others_is_no_place_for_a_database(
    ordinary_sbtrace: Sbtrace, tmp_path: Path
) -> None:
    done = ordinary_sbtrace("run", "--db", tmp_path / "db", "true")
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1


def test_ebpf_that_cannot_be_had_is_said_before_the_target_starts(
    ordinary_sbtrace: Sbtrace,
) -> None:
    started = ordinary_sbtrace.folder / "started"
    done = ordinary_sbtrace("run", "--trace", "full", "touch", started)
    assert done.returncode == 125
    (line,) = done.stderr.splitlines()
    assert "sudo" in line
    assert not started.exists()


def test_a_closed_stderr_changes_no_exit_status(sbtrace: Sbtrace) -> None:
    script = '"$0" run no-such-command 2>&-'
    command = ["sh", "-c", script, Path(sys.executable).parent / "sbtrace"]
    assert (
        subprocess.run(command, check=False, env={"SBTRACE_DB": str(sbtrace.db)}).returncode == 127
    )
