"""The line that lets a blocked call through, and what is worth knowing of a profile."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer import syscalls
from tracer.profile import Profile, Remedy, check, load, parse, remedy

HEAD = 'default_action = "kill_process"\n'
ZERO = (0,) * 6


def read(text: str) -> Profile:
    return parse(text, "net.toml", "x86_64")


def of(text: str, name: str, args: tuple[int, ...] = ZERO, abi: str = "x86_64") -> Remedy:
    nr = syscalls.number(abi, name)
    assert nr is not None
    found = remedy(read(text), abi, nr, args)
    assert found is not None
    return found


def applied(text: str, found: Remedy, name: str) -> str:
    """The profile's text after a person did what the remedy says."""
    lines = text.split("\n")
    if match := re.fullmatch(r"add the line (.*)", found.change):
        lines.insert(found.line, match[1])
    elif found.change == f'allow = [..., "{name}"]':
        at = found.line - 1
        lines[at] = lines[at].replace("[", f'["{name}", ', 1)
    elif found.change.startswith("abis"):
        lines[found.line - 1] = found.change
    else:
        match = re.fullmatch(rf'move "{name}" from \S+ to (allow = \[.*\])', found.change)
        assert match, found.change
        assert f'"{name}"' in lines[found.line - 1]
        lines[found.line - 1] = lines[found.line - 1].replace(f'"{name}"', "")
        allow = next((i for i, line in enumerate(lines) if line.startswith("allow")), None)
        if allow is None:
            lines.insert(1, match[1])
        else:
            lines[allow] = lines[allow].replace("[", f'["{name}", ', 1)
    return "\n".join(lines).replace("[,", "[").replace(", ,", ",")


def test_the_remedy_is_the_line_of_allow() -> None:
    """It reads as file, line and the line's new text."""
    assert str(of(HEAD + '\nallow = ["read"]', "socket")) == ('net.toml:3: allow = [..., "socket"]')


def test_without_an_allow_list_the_remedy_is_a_line_to_add_before_any_table() -> None:
    """A key after [limits] would belong to that table."""
    text = HEAD + "[limits]\ncore = 0"
    found = of(text, "read")
    assert str(found) == 'net.toml:1: add the line allow = ["read"]'
    assert "default action is kill_process" in found.reason
    assert read(applied(text, found, "read")).decide("x86_64", 0).action.permits


def test_a_call_that_is_listed_elsewhere_is_moved() -> None:
    """Allowing it as well would be a contradiction."""
    text = HEAD + 'allow = ["read"]\n[errno]\nEPERM = ["fork"]'
    found = of(text, "fork")
    assert str(found) == 'net.toml:4: move "fork" from errno.EPERM to allow = [..., "fork"]'


def test_a_call_that_a_group_refuses_is_allowed_by_name() -> None:
    """A name beats a group, so that the group can stay."""
    text = HEAD + 'allow = ["read"]\ntrap = ["@process"]'
    found = of(text, "fork")
    assert str(found) == 'net.toml:2: allow = [..., "fork"]'
    assert '"@process" of line 3' in found.reason
    assert read(applied(text, found, "fork")).decide("x86_64", 57).action.permits


def test_a_foreign_abi_is_allowed_by_abis() -> None:
    """The call's own name is decided only after that."""
    assert str(of(HEAD, "read", abi="i386")) == (
        'net.toml:1: add the line abis = ["native", "i386"]'
    )
    x32 = remedy(read(HEAD), "x86_64", syscalls.X32_BIT | 39)
    assert str(x32) == 'net.toml:1: add the line abis = ["native", "x32"]'
    assert str(of('abis = ["native", "x32"]\n' + HEAD, "read", abi="i386")) == (
        'net.toml:1: abis = ["native", "x32", "i386"]'
    )


def test_a_rule_that_refuses_is_named_with_its_conditions() -> None:
    """What is refused by its arguments is not helped by a list."""
    rule = '[[rule]]\nsyscalls = ["ioctl"]\naction = "trap"\nargs = ["arg1 == 5"]'
    found = of('default_action = "allow"\n' + rule, "ioctl", (0, 5, 0, 0, 0, 0))
    assert str(found) == 'net.toml:2: take "ioctl" out of this [[rule]], or narrow its args'
    assert found.reason == "the [[rule]] of line 2 gives trap where arg1 == 5"


def test_a_call_of_many_uses_is_also_allowed_for_its_arguments_only() -> None:
    """The narrower rule, added at the end, lets this call through and no other."""
    text = HEAD + 'allow = ["read"]'
    found = of(text, "socket", (2, 1, 0, 0, 0, 0))
    assert found.narrower is not None
    profile = read(f"{text}\n{found.narrower}")
    assert profile.decide("x86_64", 41, (2, 1, 0, 0, 0, 0)).action.permits
    assert not profile.decide("x86_64", 41, (10, 1, 0, 0, 0, 0)).action.permits


def test_a_narrower_rule_that_could_not_stand_in_the_profile_is_not_offered() -> None:
    """Beside an order comparison of 32 bits no other rule can be compiled."""
    condition = '[[rule]]\nsyscalls = ["socket"]\naction = "allow"\nargs = ["arg0 < 2"]'
    found = of(HEAD + condition, "socket", (2, 1, 0, 0, 0, 0))
    assert found.narrower is not None
    found = of(HEAD + 'abis = ["x32"]\n' + condition, "socket", (2, 1, 0, 0, 0, 0))
    assert found.narrower is None


def test_a_narrower_rule_looks_at_nothing_that_another_use_of_the_call_is_told_by() -> None:
    """F_SETLK's third argument is an address, of which no bit means what F_SETFL's does."""
    setfl = 'args = [["arg1 & 0xffffffff == 4", "arg2 & 0x2000 == 0"]]'
    text = f'{HEAD}[[rule]]\nsyscalls = ["fcntl"]\naction = "allow"\n{setfl}'
    locks = of(text, "fcntl", (3, 6, 0x7FFF2000, 0, 0, 0)).narrower
    assert locks is not None
    assert 'args = ["fcntl.cmd == F_SETLK"]' in locks
    signals = of(text, "fcntl", (3, 4, 0x2000, 0, 0, 0)).narrower
    assert signals is not None
    assert 'args = ["fcntl.cmd == F_SETFL", "arg2 & 0x2000 == 0x2000"]' in signals


def test_an_allowed_call_needs_no_remedy() -> None:
    """None, not a line that changes nothing."""
    assert remedy(read(HEAD + 'log = ["read"]'), "x86_64", 0) is None


names = st.sampled_from(["read", "fork", "socket", "futex", "bpf"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, st.sampled_from(["allow", "trap", "log"]), max_size=4),
       st.sampled_from(["", "@process", "@network-io"]), names)  # fmt: skip
def test_doing_what_the_remedy_says_lets_the_call_through(
    listed: dict[str, str], group: str, name: str
) -> None:
    """Whatever the profile lists, its advice works."""
    text = HEAD
    for action in ("allow", "log", "trap"):
        entries = [entry for entry, to in listed.items() if to == action]
        entries += [group] if group and action == "trap" else []
        if entries:
            text += f"{action} = {json.dumps(entries)}\n"
    nr = syscalls.number("x86_64", name) or 0
    found = remedy(read(text), "x86_64", nr)
    if found is not None:
        assert read(applied(text, found, name)).decide("x86_64", nr).action.permits


def messages(text: str) -> str:
    return "\n".join(f"{f.level} {f.line}: {f.message}" for f in check(read(text)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('allow = ["@default"]\nkill_process = ["execve"]', "execve is kill_process: no command"),
        ('allow = ["execve", "exit_group"]', "dynamically linked programs ask for brk, mmap"),
        ('allow = ["@known"]\ntrap = ["clone3"]', "glibc tries clone3 first"),
        ('allow = ["@aio"]', "io_uring is allowed"),
        ('allow = ["read",\n"read"]', 'note 3: "read" stands in this list already, on line 2'),
        ('kill_process = ["fork"]', 'note 2: "fork" is kill_process by default already'),
        ('allow = ["waitpid"]', 'note 2: "waitpid" is left out: it exists only on i386'),
        (
            '[[rule]]\nsyscalls = ["ioctl"]\naction = "trap"\nargs = ["arg1 == 0x5412"]',
            'warning 2: "arg1 == 0x5412" refuses by all 64 bits',
        ),
    ],
)
def test_check_says_what_its_author_should_know(text: str, message: str) -> None:
    """Valid, but probably not what was meant."""
    assert message in messages(HEAD + text)


@pytest.mark.parametrize(
    ("action", "condition", "passed_by"),
    [
        ("trap", "arg1 == 5", True),
        ("trap", "arg1 & 0xff00000000ff == 5", True),
        ("trap", "arg1 < 5", True),
        ("trap", "arg1 <= 5", True),
        ("trap", "arg1 & 0xffffffff == 5", False),
        ("trap", "arg1 > 5", False),
        ("trap", "arg1 != 5", False),
        ("allow", "arg1 != 5", True),
        ("allow", "arg1 > 5", True),
        ("allow", "arg1 >= 5", True),
        ("allow", "arg1 == 5", False),
        ("allow", "arg1 < 5", False),
    ],
)
def test_check_warns_of_a_condition_that_upper_bits_pass_by(
    action: str, condition: str, passed_by: bool
) -> None:
    """The kernel reads 32 bits of an int, so with others set it still does the same."""
    rule = f'[[rule]]\nsyscalls = ["ioctl"]\naction = "{action}"\nargs = ["{condition}"]'
    found = messages(HEAD + rule)
    assert ("by all 64 bits of the register" in found) == passed_by


@pytest.mark.parametrize("name", ["STRICT", "RESOURCE-AWARE", "LEARNING"])
def test_there_is_nothing_to_say_of_a_shipped_profile(name: str) -> None:
    """What is shipped is an example, so it has no finding."""
    assert check(load(name)) == []


def test_what_upper_bits_pass_by_is_said_once_of_a_condition_that_becomes_many() -> None:
    rules = (
        'default_action = "allow"',
        '[[rule]]\nsyscalls = ["getpid"]\naction = "allow"\nargs = ["arg2 == 7", "arg0 == 2"]',
        '[[rule]]\nsyscalls = ["getpid"]\naction = "trap"\nargs = ["arg0 >= 0", "arg0 != 2"]',
    )
    found = [each for each in check(read("\n".join(rules))) if "upper bits" in each.message]
    assert [each.message.partition(" refuses")[0] for each in found] == [
        '"arg0 >= 0 and arg0 != 2"'
    ]
