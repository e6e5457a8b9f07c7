"""A text that is changed keeps what a person wrote in it."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest

from tests.support import ROOT
from tracer.profile.rewrite import rewritten

SOURCE = """# What it is for
default_action = "trap" # and why

allow = [
    # group
    "read", "write", # both
    "close",         # third
    "lseek" # the last
]
log = ["ptrace"] # l
[errno]
# why
EPERM = ["kill"] # k

[[rule]] # one
syscalls = ["socket"]
action = "allow"
args = [
    ["arg0 == 1"], # AF_UNIX
]

[limits] # all of them
core = 0
"""


def changed(**changes: Any) -> tuple[str, dict[str, Any]]:
    table = copy.deepcopy(tomllib.loads(SOURCE)) | changes
    text = rewritten(SOURCE, table)
    assert tomllib.loads(text) == table
    return text, table


def test_nothing_changes_where_nothing_is_to_change() -> None:
    assert changed()[0] == SOURCE


def test_what_is_added_stands_at_the_end_and_every_comment_stays() -> None:
    text, _ = changed(
        allow=["read", "write", "close", "lseek", "openat"],
        errno={"EPERM": ["kill", "tkill"], "ENOSYS": ["clone3"]},
        rule=[
            {
                "syscalls": ["socket"],
                "action": "allow",
                "args": [["arg0 == 1"], ["arg0 == 2"]],
            },
            {"syscalls": ["clone"], "action": "allow", "args": ["arg0 & 1 == 0"]},
        ],
        abis=["native", "i386"],
    )
    lines = text.splitlines()
    kept = [line.partition("#")[2] for line in SOURCE.splitlines() if "#" in line]
    assert [line.partition("#")[2] for line in lines if "#" in line] == kept
    assert [line for line in lines if "arg0" in line][:2] == [
        '    ["arg0 == 1"], # AF_UNIX',
        '    ["arg0 == 2"],',
    ]
    assert '    "read", "write", # both' in lines


def test_what_is_taken_out_goes_with_the_comment_on_its_line() -> None:
    text, _ = changed(allow=["write", "lseek"], log=[], rule=[])
    assert '"write", # both' in text
    assert "third" not in text
    assert "AF_UNIX" not in text
    assert "# group" in text


@pytest.mark.parametrize("name", ["STRICT", "RESOURCE-AWARE"])
def test_a_shipped_profile_keeps_all_its_lines_when_a_call_is_added(name: str) -> None:
    source = (ROOT / "profiles" / f"{name}.toml").read_text()
    table = tomllib.loads(source)
    table["allow"].append("mount")
    before, after = source.splitlines(), rewritten(source, table).splitlines()
    assert set(after) - set(before) == {'    "mount",'}
    assert set(before) <= set(after)
