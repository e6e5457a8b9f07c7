"""What a profile's text means, and what is said of one that is wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import ROOT
from tracer.errors import ProfileError
from tracer.profile import Action, Condition, Limits, Profile, parse
from tracer.profile.lines import Lines
from tracer.text import printable

HEAD = 'default_action = "kill_process"\n'


def read(text: str, native: str = "x86_64") -> Profile:
    return parse(text, "net.toml", native)


def refused(text: str, native: str = "x86_64") -> str:
    with pytest.raises(ProfileError) as caught:
        read(text, native)
    return str(caught.value)


def action(profile: Profile, name: str) -> str:
    rule = profile.unconditional.get(name)
    return str(rule.action if rule else profile.default_action)


def test_a_whole_profile_is_read_with_the_lines_of_its_entries() -> None:
    """Names, groups, errors, rules and limits arrive, each with where it stands."""
    profile = read(
        """
name = "net"
description = "a test"
default_action = "errno:ENOSYS"
abis = ["native", "i386"]
allow = [
    "read",  # "commented"
    "@sync",
]
log = ['''write''']
[errno]
EPERM = ["fork"]
[[rule]]
syscalls = ["openat"]
action = "trap"
args = ["arg2 & 0xff == 1", "arg0 == 5"]
[limits]
cpu_seconds = 3
address_space = "512M"
wall_seconds = 1.5
"""
    )
    assert (profile.name, profile.description, profile.path) == ("net", "a test", "net.toml")
    assert profile.abis == ("x86_64", "i386")
    assert profile.default_action == Action("errno", "ENOSYS")
    assert [(r.line, r.entry, str(r.action)) for r in profile.rules] == [
        (7, "read", "allow"),
        (8, "@sync", "allow"),
        (10, "write", "log"),
        (12, "fork", "errno:EPERM"),
        (13, "openat", "trap"),
    ]
    assert profile.rules[-1].conditions == (Condition(2, "==", 1, 0xFF), Condition(0, "==", 5))
    assert profile.limits == Limits(
        cpu_seconds=3, address_space_bytes=512 * 2**20, wall_seconds=1.5
    )
    assert len(profile.digest) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "net.toml: default_action is missing; add a line such as"),
        ("x = [", "net.toml: not valid TOML: "),
        ('default_action = "kill"', 'net.toml:1: unknown action "kill"'),
        (
            'default_action = "errno:EPREM"',
            'net.toml:1: unknown error "EPREM" (did you mean "EPERM"?)',
        ),
        ('default_action = "errno"', 'net.toml:1: unknown action "errno"'),
        ("default_action = 3", "net.toml:1: unknown action 3"),
        (HEAD + 'alow = ["read"]', 'net.toml:2: unknown key "alow" (did you mean "allow"?)'),
        (
            HEAD + 'allow = [\n"read",\n"opennat"]',
            'net.toml:4: unknown syscall "opennat" on x86_64 (did you mean "openat"?)',
        ),
        (
            HEAD + 'allow = ["@file-sytem"]',
            'net.toml:2: unknown group "@file-sytem" (did you mean "@file-system"?)',
        ),
        (HEAD + 'allow = "read"', "net.toml:2: allow must be a list of names"),
        (HEAD + "allow = [3]", "net.toml:2: allow must be a list of names"),
        (
            HEAD + 'allow = ["read"]\ntrap = ["read"]',
            '"read" is allow by "read" (line 2) and trap by "read" (line 3); take one',
        ),
        (
            HEAD + 'allow = ["@basic-io"]\ntrap = ["@file-system"]',
            'trap by "@file-system" (line 3); name "close" in the list',
        ),
        (HEAD + 'errno = ["read"]', "net.toml:2: errno is a table"),
        (HEAD + '[errno]\nEFOO = ["read"]', 'net.toml:3: unknown error "EFOO"'),
        (HEAD + 'abis = ["x86"]', 'net.toml:2: unknown ABI "x86"; known: native, x86_64, i386'),
        (HEAD + "abis = []", "net.toml:2: abis is a list such as"),
        (HEAD + 'abis = ["any"]', 'net.toml:2: abis = ["any"] would let every rule be passed by'),
        ('name = "a b"\n' + HEAD, 'net.toml:1: name "a b" must be 1 to 64 letters'),
        (HEAD + "rule = 3", "net.toml:2: rules are written as tables: [[rule]]"),
        (HEAD + "[[rule]]\n", "net.toml:2: rule 1: syscalls is missing"),
        (
            HEAD + '[[rule]]\nsyscalls = ["read"]\naction = "trap"',
            "rule 1: args is missing; without conditions",
        ),
        (
            HEAD + '[[rule]]\nsyscalls = ["@sync"]\naction = "trap"\nargs = ["arg0 == 1"]',
            'net.toml:3: "@sync": the calls of a group have no arguments',
        ),
        (HEAD + "[limits]\ncpu = 3", 'net.toml:3: unknown limit "cpu"'),
        (
            HEAD + "[limits]\ncpu_seconds = 0",
            "net.toml:3: cpu_seconds = 0 is out of range; give 1 to",
        ),
        (
            HEAD + "[limits]\nopen_files = true",
            "net.toml:3: open_files must be a whole number, not True",
        ),
        (
            HEAD + '[limits]\nfile_size = "3 X"',
            "net.toml:3: file_size must be bytes, or a text such as",
        ),
        (HEAD + "[limits]\nwall_seconds = nan", "net.toml:3: wall_seconds = nan is out of range"),
        (HEAD + "[limits]\ncore = -1", "net.toml:3: core = -1 is out of range"),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_remedy(text: str, message: str) -> None:
    """Every kind of mistake says where it is and what to do."""
    said = refused(text)
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ('["arg6 == 1"]', "a call has the arguments arg0 to arg5"),
        ('["arg0 = 1"]', "a condition is written"),
        ("[1]", "a condition is written"),
        ('["arg0 == -1"]', "-1 is out of range: registers are unsigned"),
        ('["arg0 == 0x10000000000000000"]', "is out of range"),
        ('["arg0 & 3 == 4"]', "can never hold"),
        ('["arg0 & 3 < 4"]', "the value has bits outside the mask"),
        ('["arg0 == 1", "arg0 == 2"]', "the conditions can never hold together"),
        ('["arg0 == 012"]', "is not a number"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_reason(args: str, message: str) -> None:
    """Each way to get a condition wrong has its own line."""
    rule = f'[[rule]]\nsyscalls = ["socket"]\naction = "allow"\nargs = {args}'
    assert refused(HEAD + rule).startswith("net.toml:")
    assert message in refused(HEAD + rule)


def rule(action: str, args: str) -> str:
    return f'[[rule]]\nsyscalls = ["socket"]\naction = "{action}"\nargs = {args}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'abis = ["x32"]\n' + rule("allow", '["arg0 < 5"]') + rule("allow", '["arg0 == 9"]'),
            "only with ==, plain or masked",
        ),
        (
            'allow = ["socket"]\n' + rule("trap", '["arg0 != 5", "arg1 != 5"]'),
            "stands beside line 2",
        ),
        (
            rule("allow", '["arg0 == 1"]') + rule("trap", '["arg1 == 1"]'),
            "contradicts that of line 2",
        ),
        (
            'abis = ["x32"]\nallow = ["socket"]\n' + rule("kill_process", '["arg0 == 1"]'),
            "use another action here",
        ),
        ('abis = ["i386"]\n' + rule("allow", '["arg0 == 1"]'), "cannot be checked on i386"),
    ],
)
def test_rules_that_libseccomp_would_compile_to_something_else_are_refused(
    text: str, message: str
) -> None:
    """What cannot be compiled exactly is an error, not a filter that decides otherwise."""
    assert message in refused(HEAD + text)


def test_alternatives_make_one_rule_each_with_their_own_lines() -> None:
    """``args`` may be a list of lists, of which one must hold."""
    profile = read(HEAD + rule("allow", '[\n["arg0 == 1"],\n["arg0 == 2", "arg1 == 3"],\n]'))
    assert [(r.line, len(r.conditions)) for r in profile.rules] == [(6, 1), (7, 2)]


def test_a_name_beats_a_group_and_a_group_those_around_it() -> None:
    """The narrowest entry decides, wherever it stands."""
    profile = read(
        HEAD + 'trap = ["socket"]\nallow = ["@system-service"]\nkill_process = ["fork"]\n'
        '[errno]\nEACCES = ["@network-io"]'
    )
    assert action(profile, "socket") == "trap"
    assert action(profile, "connect") == "errno:EACCES"
    assert action(profile, "read") == "allow"
    assert action(profile, "fork") == "kill_process"


def test_a_name_of_another_abi_is_left_out_with_the_reason() -> None:
    """One profile may serve several machines: what a machine lacks cannot be called."""
    profile = read(HEAD + 'allow = ["open", "read"]', native="arm64")
    assert [(s.line, s.name) for s in profile.skipped] == [(2, "open")]
    assert "x86_64" in profile.skipped[0].reason
    assert list(profile.unconditional) == ["read"]


def test_another_abi_is_refused_unless_the_profile_lists_it() -> None:
    """i386 and x32 calls kill the process by default, whatever their number."""
    profile = read('default_action = "allow"')
    assert profile.decide("i386", 3).foreign_abi
    assert str(profile.decide("x86_64", 0x40000000).action) == "kill_process"
    assert str(profile.decide("x86_64", 0).action) == "allow"


def test_a_socketcall_is_decided_as_the_call_it_stands_for() -> None:
    """i386's multiplexer is looked through."""
    profile = read(HEAD + 'abis = ["i386"]\nallow = ["socket"]')
    assert profile.decide("i386", 102, (1, 0, 0, 0, 0, 0)).action.permits
    assert not profile.decide("i386", 102, (2, 0, 0, 0, 0, 0)).action.permits


def test_control_characters_of_a_profile_are_shown_not_obeyed() -> None:
    """A hostile name cannot move the cursor of who reads the error."""
    said = refused(HEAD + 'allow = ["\\u001b[2J\\n"]')
    assert "\x1b" not in said
    assert "\\x1b[2J\\n" in said


keys = st.sampled_from(
    ["name", "default_action", "allow", "errno", "rule", "limits", "abis", "log"]
)
values: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(['"read"', '"@sync"', '"allow"', "3", "-1", "nan", "true", "1979-05-27", '""'])
    | st.text(max_size=8).map(lambda t: f'"{t}"'),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from(["syscalls", "action", "args", "EPERM", "cpu_seconds"]),
            inner,
            max_size=3,
        ).map(lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}")
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(keys, values, max_size=5), st.text(max_size=20))
def test_no_text_makes_more_than_a_profile_error(table: dict[str, str], tail: str) -> None:
    """Well-formed nonsense and plain noise are read, or refused in one printable line."""
    for text in ("\n".join(f"{k} = {v}" for k, v in table.items()), tail):
        try:
            read(text)
        except ProfileError as error:
            assert printable(str(error)) == str(error)  # noqa: PT017 - either outcome is right


def test_the_examples_of_the_documentation_are_profiles() -> None:
    """What docs/profiles.md shows can be used as it stands; a lone [[rule]] needs a head."""
    text = (ROOT / "docs/profiles.md").read_text()
    whole, rule_alone = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert read(whole).name == "net"
    entries = {rule.entry for rule in read(HEAD + rule_alone).rules}
    assert entries == {"socket", "clone", "prctl"}


def test_lines_are_found_in_every_spelling_of_toml() -> None:
    """Comments, quotes, multi-line strings, dotted and quoted keys, inline tables."""
    lines = Lines(
        '# "x" = [1]\n"allow" = [ # [[\n  "a#b", \'c\',\n  """d\ne""", "f",\n]\n'
        "errno.EPERM = ['g']\r\n[ limits ] # x\ncore = 0\n[[rule]]\n[[rule]]\naction = \"]\"\n"
        'args = [["h"],\n["i"]]'
    )
    assert lines.of("allow") == 2
    assert [lines.of_entry("allow", index=i) for i in range(4)] == [3, 3, 4, 5]
    assert lines.of_entry("errno", "EPERM", index=0) == 7
    assert (lines.of("limits"), lines.of("limits", "core")) == (8, 9)
    assert (lines.of("rule", 0), lines.of("rule", 1), lines.of("rule", 1, "action")) == (10, 11, 12)
    assert lines.of_entry("rule", 1, "args", index=1) == 14
    assert lines.of("rule", 0, "args") == 10
    assert lines.of("nothing") is None


@pytest.mark.parametrize("text", ['"al\\u006cow" = ["read", "raed"]', '"tr\\u0061p" = ["@raed"]'])
def test_a_mistake_whose_line_cannot_be_told_is_in_the_first(text: str) -> None:
    """A key with an escape is found by TOML alone."""
    assert "net.toml:1: " in refused(HEAD + text)


def test_a_wrong_condition_among_others_has_its_own_line() -> None:
    said = refused(
        HEAD + '[[rule]]\nsyscalls = ["ioctl"]\naction = "trap"\nargs = [\n'
        '["arg0 == 1",\n"arg1 = 1",\n"arg2 == 1"],\n["arg3 == 1"],\n]'
    )
    assert "net.toml:7: " in said


@pytest.mark.parametrize(
    ("key", "least"),
    [
        ("cpu_seconds", 1),
        ("address_space", 1),
        ("data", 1),
        ("open_files", 3),
        ("processes", 1),
        ("file_size", 0),
        ("core", 0),
    ],
)
def test_a_limit_may_be_its_least_and_its_most_and_nothing_beyond(key: str, least: int) -> None:
    most = 2**63 - 1
    for value in (least, most):
        assert value in parse(f"{HEAD}[limits]\n{key} = {value}", "net.toml").limits
    for value in (least - 1, most + 1):
        assert f"{key} = {value} is out of range" in refused(f"{HEAD}[limits]\n{key} = {value}")
