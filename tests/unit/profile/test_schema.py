"""The JSON Schema accepts what the parser accepts, and refuses what it can say to be wrong."""

from __future__ import annotations

import json
import random
import tomllib
from typing import Any

import fastjsonschema
import pytest

from tests.support import ROOT
from tracer.errors import ProfileError
from tracer.profile import parse
from tracer.profile.schema import schema

SHIPPED = ROOT / "profiles"
SEED = 12
RIGHT = """name = "net"
description = "All that there is"
default_action = "errno:EPERM"
unknown = "errno:ENOSYS"
knows = "6.12"
exec = "once"
abis = ["native", "x32"]
allow = ["read", "@mine", "@file-system", "$more", "syscall_0x1f4"]
log = ["ptrace"]
trap = []
[errno]
EACCES = ["@network-io"]
[vars]
more = ["lseek"]
fd = 3
[groups]
"@mine" = ["readv", "@sync"]
[[rule]]
syscalls = ["socket"]
action = "trap"
args = ["socket.domain == AF_UNIX", "arg1 & 0xff == 1"]
[[rule]]
syscalls = ["dup2"]
action = "kill_thread"
args = [["arg0 == $fd"], ["dup2.oldfd in [7, 8]"]]
[limits]
cpu_seconds = 60
address_space = "4G"
core = 0
wall_seconds = 1.5
[privileges]
capabilities = ["NET_BIND_SERVICE", "cap_chown"]
"""
VALUES = (
    *(True, 3, -1, 2.5, "", "no such", "errno:NONE", "kill", [], {}, ["no_such"], [3], [[]]),
    *({"a": 1}, ["any"], "9.9", ["read", 1], {"CHOWN": 1}, [{"a": 1}], "@x", ["@"], ["$"]),
    *("1 X", [True]),
)  # fmt: skip
"""What a place of a profile may be given, right for few."""
KNOWN_TO_THE_PARSER_ALONE = (
    'default_action = "trap"\nallow = ["@no-such-group"]',
    'default_action = "trap"\nallow = ["$no_such"]',
    'default_action = "trap"\nallow = ["read"]\ntrap = ["read"]',
    'default_action = "trap"\nrule = [{syscalls=["read"], action="allow", args=["arg0 == X"]}]',
    'default_action = "trap"\nknows = "6.12"',
)


def accepts(table: dict[str, Any]) -> bool:
    try:
        VALIDATE(table)
    except fastjsonschema.JsonSchemaException:
        return False
    return True


VALIDATE = fastjsonschema.compile(schema())


def parses(text: str) -> bool:
    try:
        parse(text, "given.toml", "x86_64")
    except ProfileError:
        return False
    return True


def test_the_file_beside_the_profiles_is_what_the_command_prints() -> None:
    kept = (SHIPPED / "profile.schema.json").read_text()
    assert json.loads(kept) == json.loads(json.dumps(schema()))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_profile_is_accepted(path: Any) -> None:
    assert accepts(tomllib.loads(path.read_text()))


def test_a_profile_with_all_that_there_is_is_accepted_by_both() -> None:
    assert accepts(tomllib.loads(RIGHT))
    assert parses(RIGHT)
    assert accepts({"extends": "STRICT"})
    assert not accepts({})


def places(table: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a table where a value stands."""
    inner = table.items() if isinstance(table, dict) else enumerate(table)
    found: list[tuple[str | int, ...]] = []
    for key, value in inner:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


def changed(value: Any, path: tuple[str | int, ...], key: str | None) -> dict[str, Any]:
    """The right profile with a value of another kind in one place, or a key beside it."""
    table = tomllib.loads(RIGHT)
    at: Any = table
    for step in path[:-1]:
        at = at[step]
    if key is not None and isinstance(at, dict):
        at[key] = at.pop(path[-1])
    else:
        at[path[-1]] = value
    return table


def test_both_refuse_or_both_accept_what_a_schema_can_say() -> None:
    """A wrong value or key in every place of a profile; what only words decide is left out."""
    from tracer.profile import toml

    draw = random.Random(SEED)  # noqa: S311 - a choice, no secret
    wrong = 0
    for path in places(tomllib.loads(RIGHT)):
        for value in draw.sample(VALUES, 9):
            table = changed(value, path, None)
            said, parsed = accepts(table), parses(toml.dumps(table))
            assert said or not parsed, (path, value)
            assert not said or parsed or is_of_words(toml.dumps(table)), (path, value)
            wrong += not said
        table = changed(None, path, "no such key")
        assert not accepts(table) or parses(toml.dumps(table)) or is_of_words(toml.dumps(table))
    assert wrong >= 100


def is_of_words(text: str) -> bool:
    """Whether what is wrong is the meaning of a word, not the form: a schema cannot know it."""
    with pytest.raises(ProfileError) as caught:
        parse(text, "given.toml", "x86_64")
    told = (
        "unknown group",
        "unknown variable",
        "unknown syscall",
        "is a list, and goes only",
        "unknown word",
        "contradicts",
        "is about another",
    )
    more = (
        "never hold",
        "take one of them out",
        "out of range",
        "is no value",
        "a condition is",
        "holds",
    )
    return any(part in str(caught.value) for part in told + more)


@pytest.mark.parametrize("text", KNOWN_TO_THE_PARSER_ALONE)
def test_what_only_the_parser_can_know_is_left_to_it(text: str) -> None:
    assert accepts(tomllib.loads(text))
    assert not parses(text)
