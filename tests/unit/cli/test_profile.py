"""``sbtrace profile``: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tracer.cli import profile as verb
from tracer.errors import ProfileError
from tracer.resources import profiles_dir

if TYPE_CHECKING:
    from pathlib import Path


def sbtrace(*arguments: str) -> Result:
    app = typer.Typer()
    verb.register(app)
    app.command("other")(lambda: None)  # of one command alone Typer makes no group
    return CliRunner().invoke(app, ["profile", *arguments])


def printed(*arguments: str) -> str:
    done = sbtrace(*arguments)
    assert done.exit_code == 0, done.exception
    shown = done.output
    for path in filter(os.path.isabs, arguments):  # where the tests lie is no matter of ours
        shown = shown.replace(os.path.dirname(path), "")  # noqa: PTH120 - as the text has it
    assert all(len(line) <= 80 for line in shown.splitlines())
    return done.output


def as_json(*arguments: str) -> Any:
    return json.loads(sbtrace(*arguments, "--json").stdout)


def test_list_names_every_shipped_profile_with_its_purpose() -> None:
    """One a line, and the same as JSON."""
    assert "LEARNING        Block nothing, record everything\n" in printed("list")
    shipped = [
        entry["name"] for entry in as_json("list")["profiles"] if entry["origin"] == "shipped"
    ]
    assert shipped == [
        *("BUILD", "DOCKER-DEFAULT", "INTERPRETER", "LEARNING", "NETWORK-CLIENT"),
        *("NETWORK-SERVER", "RESOURCE-AWARE", "STRICT"),
    ]


def test_show_says_what_the_profile_amounts_to() -> None:
    """Groups as they are written, or every call with --expand."""
    shown = printed("show", "resource-aware")
    assert "default  errno:EPERM\n" in shown
    assert "  data           4 GiB\n" in shown
    assert "  @network-io\n" in shown
    assert " socket socketpair" in printed("show", "resource-aware", "--expand")
    data = as_json("show", "strict")
    assert data["default_action"] == "kill_process"
    assert "socket" in data["actions"]["errno:EACCES"]
    assert "read" in data["actions"]["allow"]


def test_show_of_a_group_lists_its_calls_on_this_machine() -> None:
    """Nested groups are resolved; a group that there is not is an error."""
    assert printed("show", "@swap").splitlines()[1] == "  swapoff swapon"
    assert "read" in as_json("show", "@system-service")["syscalls"]
    assert isinstance(sbtrace("show", "@swop").exception, ProfileError)


def test_check_of_a_valid_profile_prints_findings_and_succeeds(tmp_path: Path) -> None:
    """A finding is no failure."""
    path = tmp_path / "a.toml"
    path.write_text('default_action = "kill_process"\nallow = ["read"]\n')
    done = sbtrace("check", str(path))
    assert done.exit_code == 0
    assert "execve is kill_process" in done.output
    assert as_json("check", str(path))["findings"][0]["level"] == "warning"


def test_check_of_a_wrong_profile_fails_with_its_mistake(tmp_path: Path) -> None:
    """The status is 125, and with --json the mistake is on stdout too."""
    path = tmp_path / "a.toml"
    path.write_text("default_action = 3\n")
    done = sbtrace("check", str(path), "--json")
    assert isinstance(done.exception, ProfileError)
    assert done.exception.exit_status == 125
    assert json.loads(done.stdout)["valid"] is False
    assert f"{path}:1: unknown action 3" in json.loads(done.stdout)["error"]


def test_terminal_escapes_of_a_profile_are_shown_not_obeyed(tmp_path: Path) -> None:
    """A description is data."""
    path = tmp_path / "a.toml"
    path.write_text('default_action = "allow"\ndescription = "a\\u001b[2Jb"\n')
    assert "\x1b" not in printed("show", str(path))


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_every_command_has_help(command: str) -> None:
    """And it says what the command is for."""
    assert "Usage:" in sbtrace(command, "--help").output


def test_explain_names_the_line_that_decides() -> None:
    source = (profiles_dir() / "STRICT.toml").read_text().split("\n")
    line = 1 + next(at for at, text in enumerate(source) if "# PR_SET_NAME:" in text)
    assert f"line {line}  a [[rule]] holds: prctl.option == PR_SET_NAME\n" in printed(
        "explain", "STRICT", "prctl(PR_SET_NAME)"
    )
    data = as_json("explain", "STRICT", "socket(AF_INET, SOCK_STREAM)")
    assert data["action"] == "errno:EACCES"
    assert data["args"] == [socket.AF_INET, socket.SOCK_STREAM, 0, 0, 0, 0]
    assert data["reason"] == "its group @network-io is listed under [errno] EACCES"
    assert 'args = ["socket.domain == AF_INET"]' in data["remedy"]


def test_explain_of_a_call_without_arguments_lists_the_rules_that_may_decide() -> None:
    data = as_json("explain", "STRICT", "prctl")
    assert data["args"] is None
    assert data["action"] == "errno:EPERM"
    assert [rule["action"] for rule in data["by_arguments"]] == ["allow"] * 4
    assert "only calls like this" not in data["remedy"]
    assert "  allow if prctl.option == PR_SET_NAME\n" in printed("explain", "STRICT", "prctl")


def test_explain_of_another_abi_says_that_it_is_not_let_through() -> None:
    data = as_json("explain", "STRICT", "i386:getpid")
    assert (data["action"], data["line"]) == ("kill_process", None)
    assert data["reason"] == "it comes through i386, and abis has only x86_64"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("foo", 'unknown syscall "foo" on x86_64'),
        ("sockt(1)", 'unknown syscall "sockt" on x86_64 (did you mean "socket"?)'),
        ("i387:read", 'unknown ABI "i387" (did you mean "i386"?)'),
        ("socket(AF_FOO)", 'unknown argument "AF_FOO": give a number, or a word such as AF_INET'),
        ("socket(1, \x1b)", 'unknown argument "": give a number, or a word such as AF_INET'),
        ("read(1,2,3,4,5,6,7)", '"read" is given 7 arguments, and no call has more than 6'),
        ("read(", 'a call is written as socket(AF_INET, SOCK_STREAM), not "read("'),
    ],
)
def test_a_call_that_is_none_is_named(call: str, message: str) -> None:
    done = sbtrace("explain", "STRICT", call)
    assert isinstance(done.exception, ProfileError)
    assert str(done.exception).replace("\\x1b", "") == message


TABLE = """allow = ["read", "prctl(PR_SET_NAME)",
  "openat(AT_FDCWD, NULL, O_RDONLY|O_CLOEXEC)"]
"errno:EACCES" = ["socket(AF_INET, SOCK_STREAM)"]
kill_process = ["ptrace", "i386:getpid"]
"""


def test_a_table_of_calls_is_tried_on_the_filter(tmp_path: Path) -> None:
    """Exit status 0 where each call is as expected, else 1, with the ones that are not."""
    table = tmp_path / "calls.toml"
    table.write_text(TABLE)
    assert printed("test", "STRICT", str(table)) == "STRICT: 6 of 6 calls are as expected\n"
    table.write_text(TABLE.replace('"read",', '"fork", "read",'))
    done = sbtrace("test", "STRICT", str(table))
    assert done.exit_code == 1
    assert f"{table}:1: fork: kill_process, expected allow\n" in done.output
    assert done.output.endswith("STRICT: 6 of 7 calls are as expected\n")
    data = as_json("test", "STRICT", str(table))
    assert data["passed"] is False
    assert data["calls"][0] == {
        "call": "fork",
        "table_line": 1,
        "expected": "allow",
        "action": "kill_process",
        "line": None,
        "reason": "no entry covers it, so it is the default_action",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no call in it"),
        ("allow = 5", 'write an action and calls, such as allow = ["read"'),
        ("allow = [5]", "a call is a text in quotes, not 5"),
        ('alow = ["read"]', 'unknown action "alow" (did you mean "allow"?)'),
        ('allow = ["reed"]', 'unknown syscall "reed" on x86_64 (did you mean "read"?)'),
        ("allow = [", "not valid TOML"),
    ],
)
def test_a_table_that_is_none_is_named_with_its_line(
    text: str, message: str, tmp_path: Path
) -> None:
    table = tmp_path / "calls.toml"
    table.write_text(text)
    done = sbtrace("test", "STRICT", str(table))
    assert isinstance(done.exception, ProfileError)
    assert str(done.exception).startswith(str(table))
    assert message in str(done.exception)


def test_a_table_that_cannot_be_read_is_an_error_of_one_line(tmp_path: Path) -> None:
    done = sbtrace("test", "STRICT", str(tmp_path))
    assert str(done.exception) == f"{tmp_path}: must be a plain file"
    os.mkfifo(tmp_path / "fifo")  # which nobody writes to
    done = sbtrace("test", "STRICT", str(tmp_path / "fifo"))
    assert str(done.exception) == f"{tmp_path / 'fifo'}: must be a plain file"


def test_diff_says_what_differs_and_exits_with_1(tmp_path: Path) -> None:
    """By the names of values, and by the limits of both; 0 for a copy."""
    copy = tmp_path / "copy.toml"
    copy.write_text((profiles_dir() / "STRICT.toml").read_text())
    assert sbtrace("diff", "STRICT", str(copy)).exit_code == 0
    done = sbtrace("diff", "STRICT", "RESOURCE-AWARE")
    assert done.exit_code == 1
    assert all(len(line) <= 80 for line in done.output.splitlines())
    assert "kill_process in A, errno:ENOSYS in B: 1 call\n    clone3\n" in done.output
    assert "F_SETLK or F_SETLKW or F_GETOWN" in " ".join(done.output.split())
    assert "processes: A not set, B 256\n" in done.output


@pytest.mark.parametrize(
    ("word", "reason"),
    [("@no-such", "unknown group"), ("4294967295", "no process"), ("no-such", "not found")],
)
def test_diff_names_what_is_not_there(word: str, reason: str) -> None:
    done = sbtrace("diff", "STRICT", word)
    assert reason in str(done.exception)


def test_score_names_what_each_number_counts() -> None:
    """A column a profile, then the calls themselves."""
    shown = printed("score", "STRICT", "@system-service")
    assert re.search(r"keyrings +0/3 +3/3\n", shown)
    assert "open, all: add_key, request_key, keyctl\n" in shown
    assert "of the 29 that Confine's authors list are closed" in shown
    (found,) = as_json("score", "STRICT")["profiles"]
    assert all(each["sources"] and each["why"] for each in found["classes"])


LARGE = """default_action = "allow"
[[rule]]
syscalls = ["getegid"]
action = "allow"
args = ["arg2 & 0x7e020000 == 0x7e020000", "arg0 == 2"]
[[rule]]
syscalls = ["getegid"]
action = "errno:EACCES"
args = ["arg0 >= 0x0", "arg0 != 2", "arg1 != 0x100000000"]
"""
"""What two inequalities beside another rule become: an equality for each bit of both."""


def test_a_filter_that_the_kernel_would_not_take_is_told_by_each_command(tmp_path: Path) -> None:
    """By the file, the number and the remedy; a run refuses it by the same words."""
    path = tmp_path / "large.toml"
    path.write_text(LARGE)
    for words in (
        ("check",),
        ("explain", "getpid"),
        ("export", "--format", "bpf"),
        ("diff", "STRICT"),
    ):
        done = sbtrace(words[0], str(path), *words[1:])
        assert isinstance(done.exception, ProfileError), words
        assert re.fullmatch(
            rf"{re.escape(str(path))}: the filter takes [0-9]+ instructions, and the kernel at most"
            " 4096: use fewer conditions on arguments",
            str(done.exception),
        )


def test_the_arguments_of_a_call_may_be_given_by_their_names() -> None:
    by_place = as_json("explain", "STRICT", "socket(AF_INET, SOCK_STREAM, 6)")
    named = ("socket", "protocol=IPPROTO_TCP", "domain=AF_INET", "arg1=SOCK_STREAM")
    assert as_json("explain", "STRICT", *named) == by_place
    assert as_json("explain", "STRICT", "prctl", "option=15")["action"] == "allow"
    assert as_json("explain", "STRICT", "prctl")["args"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("socket", "AF_INET"), 'an argument is written as domain=AF_INET, not "AF_INET"'),
        (("socket", "domian=1"), '"socket" has no argument "domian" (did you mean "domain"?)'),
        (("socket", "domain=AF_INTE"), 'unknown argument "AF_INTE"'),
        (("socket", "domain=1", "family=2"), 'argument 0 of "socket" is given twice'),
        (("socket(1)", "type=1"), "within the parentheses or by their names, not both"),
        (("getpid", "x=1"), '"getpid" has no argument "x"; use arg0 to arg5'),
        (("socket", "arg6=1"), '"socket" has no argument "arg6"'),
    ],
)
def test_a_wrong_argument_by_name_is_told(words: tuple[str, ...], message: str) -> None:
    done = sbtrace("explain", "STRICT", *words)
    assert isinstance(done.exception, ProfileError)
    assert message in str(done.exception)
