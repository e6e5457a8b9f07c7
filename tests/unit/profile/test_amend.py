"""What runs needed, added to a profile that a person wrote."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.profile import load, parse
from tracer.profile.amend import Amended, amend
from tracer.profile.learn import Tightness, Use, Way, learn

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = syscalls.native_abi()
RUNS = ("a" * 12, "b" * 12)
MINE = """# Mine, by hand.
name = "mine"
default_action = "kill_process"
allow = [ # what it reads
    "read", "openat" # and no more
    # the end
]
kill_process = ["ptrace"]

[[rule]] # only UNIX
syscalls = ["socket"]
action = "allow"
args = ["arg0 == 1"]

[limits]
cpu_seconds = 60 # enough
"""
FORMS = {
    "many lines": 'allow = [\n    "read", # why\n]\n',
    "no comma": 'allow = [\n    "read" # why\n]\n',
    "one line": 'allow = ["read"] # why\n',
    "a bracket in a comment": 'allow = [ # ] "\n    "read",\n    # "x" ]\n]\n',
    "empty": "allow = []\n",
    "none": "",
    "before a table": "[limits]\ncpu_seconds = 60\n",
    "a table in a text": 'description = """\n[hello]\nallow = ["x"]\n"""\n',
    "a key in quotes": '"allow" = ["read"] # why\n',
    "not the last line": 'allow = ["read"]\nlog = ["mount"]\n',
}


def use(name: str, **changes: object) -> Use:
    nr = syscalls.number(NATIVE, name) or 0
    made = Use(NATIVE, nr, name, frozenset(RUNS), 7, ("demo",))
    return made._replace(**changes)  # type: ignore[arg-type]


def amended(source: str, *uses: Use) -> Amended:
    found = learn(uses, RUNS, Tightness(only_seen=True))
    return amend(parse(source, "mine.toml"), found, len(RUNS))


def allowed(text: str, name: str, *args: int) -> bool:
    registers = (*args, *[0] * (6 - len(args)))
    nr = syscalls.number(NATIVE, name) or 0
    return parse(text, "mine.toml").decide(NATIVE, nr, registers).action.permits


@pytest.mark.parametrize("form", FORMS)
def test_a_call_is_added_to_the_list_however_that_is_written(form: str) -> None:
    """With every line that was there, as it was."""
    source = 'default_action = "kill_process"\n' + FORMS[form]
    made = amended(source, use("getpid"))
    assert allowed(made.text, "getpid")
    assert not allowed(made.text, "getppid")
    for line in source.splitlines():
        if "[]" not in line and '= ["read"]' not in line:
            assert line.rstrip() in made.text or line.split("#")[0].rstrip() in made.text


def test_a_table_within_a_text_is_left_alone() -> None:
    """The list stands behind the text, and the text says what it said."""
    source = f'default_action = "kill_process"\n{FORMS["a table in a text"]}'
    made = amended(source, use("getpid"))
    assert tomllib.loads(made.text) == {**tomllib.loads(source), "allow": ["getpid"]}
    assert '"getpid", # 2 of 2: demo' in made.text


def test_what_is_allowed_already_is_not_touched() -> None:
    ways = (Way(((0, 1), (1, 1), (2, 0)), frozenset(RUNS)),)
    made = amended(MINE, use("read"), use("socket", ways=ways, unknown=None))
    assert made.text == MINE
    assert made.added == ()


def test_a_value_that_no_rule_allows_gets_a_rule_beside_those_of_the_author() -> None:
    ways = tuple(Way(((0, family), (1, 1), (2, 0)), frozenset(RUNS)) for family in (1, 2))
    made = amended(MINE, use("socket", ways=ways, unknown=None))
    assert made.text.startswith(MINE)
    assert allowed(made.text, "socket", 2, 1)
    assert not allowed(made.text, "socket", 2, 3)
    assert not allowed(made.text, "socket", 16, 1)


def test_what_a_line_refuses_is_left_to_its_author_and_said() -> None:
    made = amended(MINE, use("ptrace"), use("getpid"))
    assert [(entry.name, line) for entry, line in made.kept] == [("ptrace", 8)]
    assert [entry.name for entry in made.added] == ["getpid"]
    assert not allowed(made.text, "ptrace")


def test_what_a_profile_extends_stays_in_its_own_file(tmp_path: Path) -> None:
    base, mine = tmp_path / "base.toml", tmp_path / "mine.toml"
    base.write_text('default_action = "kill_process"\nallow = ["read"]\n')
    mine.write_text('extends = "./base.toml" # as all of ours\nallow = ["write"]\n')
    found = learn([use("getpid"), use("read")], RUNS, Tightness(only_seen=True))
    made = amend(load(str(mine)), found, len(RUNS))
    mine.write_text(made.text)
    assert [entry.name for entry in made.added] == ["getpid"]
    assert "kill_process" not in made.text
    decided = {name: load(str(mine)).decide(NATIVE, syscalls.number(NATIVE, name) or 0).action
               for name in ("read", "write", "getpid", "getppid")}  # fmt: skip
    assert {name for name, action in decided.items() if action.permits} == {
        *("read", "write", "getpid"),
    }
