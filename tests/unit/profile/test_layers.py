"""What a profile extends, and names of its own: the nearer comes first, each with its place."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import load, machine, parse, remedy
from tracer.profile.calls import Call
from tracer.profile.check import check
from tracer.profile.permit import permitting
from tracer.profile.reason import reason
from tracer.profile.verdicts import verdict
from tracer.report import profile as report
from tracer.sandbox import filter as filter_

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.profile import Profile

BASE = """default_action = "errno:EPERM"
unknown = "errno:ENOSYS"
allow = ["@mine", "execve", "socket"]
[errno]
EACCES = ["@network-io"]
EXFULL = ["openat"]
[groups]
"@mine" = ["read", "@more"]
"@more" = ["write", "$extra"]
[vars]
extra = ["close", "lseek"]
families = ["AF_UNIX"]
[[rule]]
syscalls = ["socketpair"]
action = "allow"
args = ["socketpair.domain in $families"]
[limits]
core = 0
open_files = 30
[privileges]
capabilities = ["CHOWN"]
"""
CHILD = """extends = "base.toml"
trap = ["@file-system", "lseek", "connect"]
[vars]
families = ["AF_INET", "AF_UNIX"]
[[rule]]
syscalls = ["socketpair"]
action = "kill_process"
args = ["socketpair.domain == AF_UNIX", "socketpair.type == SOCK_RAW"]
[[rule]]
syscalls = ["socket"]
action = "log"
args = ["socket.domain != AF_UNIX"]
[limits]
open_files = 40
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "child.toml").write_text(CHILD)
    return tmp_path


def answer(profile: Profile, name: str, *args: int) -> str:
    nr = syscalls.number("x86_64", name) or 0
    registers = (*args, *[0] * (6 - len(args)))
    decided = str(profile.decide("x86_64", nr, registers).action)
    if platform.machine() == "x86_64":
        program = filter_.compile(profile).program()
        assert str(verdict(machine.run(program, "x86_64", nr, registers))) == decided
    return decided


ANSWERS = [
    (("read",), "allow"),  # by a group of the base
    (("write",), "allow"),  # by a group within it
    (("close",), "trap"),  # the child's group before the base's
    (("lseek",), "trap"),
    (("openat",), "trap"),  # the child's group before a name of the base
    (("connect",), "trap"),
    (("bind",), "errno:EACCES"),
    (("mount",), "errno:EPERM"),
    (("getpid",), "errno:EPERM"),
    (("syscall_0x1f4",), "errno:ENOSYS"),
    (("socketpair", 1, 1), "allow"),
    (("socketpair", 2, 3), "allow"),  # by the base's rule with the child's variable
    (("socketpair", 1, 3), "kill_process"),  # the child's rule before the base's
    (("socketpair", 9, 3), "errno:EACCES"),
    (("socket", 1), "allow"),  # the base's list, where the child's rule does not hold
    (("socket", 2), "log"),
]


def test_the_child_comes_before_what_it_extends(folder: Path) -> None:
    """Names, groups, rules by arguments; the filter as well as the profile."""
    profile = load(str(folder / "child.toml"))
    for call, expected in ANSWERS:
        assert answer(profile, call[0], *[int(arg) for arg in call[1:]]) == expected, call
    assert (profile.limits.open_files, profile.limits.core_bytes) == (40, 0)
    assert profile.capabilities == 1
    assert profile.name == "child"


def test_what_is_recorded_stands_by_itself(folder: Path) -> None:
    """The source has what it extends at its end, so the files may go."""
    profile = load(str(folder / "child.toml"))
    (folder / "base.toml").unlink()
    again = parse(profile.source, profile.path)
    assert again == profile
    assert profile.source.startswith(CHILD)
    with pytest.raises(ProfileError, match=r'extends = "base.toml": .*cannot be read'):
        load(str(folder / "child.toml"))


def test_a_shipped_profile_is_extended_by_its_name(folder: Path) -> None:
    """Whatever the case; the rest is STRICT's."""
    (folder / "own.toml").write_text('extends = "strict"\nallow = ["clone"]\n')
    own, strict = load(str(folder / "own.toml")), load("STRICT")
    assert answer(own, "clone") == "allow"
    assert own.default_action == strict.default_action
    assert answer(own, "socket", 2) == answer(strict, "socket", 2) == "errno:EACCES"
    assert own.conditional.keys() == strict.conditional.keys()
    (found,) = check(own)
    assert found.message.startswith("clone is allow and clone3 is kill_process")


def test_a_place_in_what_is_extended_names_its_file(folder: Path) -> None:
    """In explanations, remedies, listings."""
    profile = load(str(folder / "child.toml"))
    base = str(folder / "base.toml")
    call = Call("x86_64", 53, "socketpair", (2, 1, 0, 0, 0, 0), 2)
    assert reason(profile, call).words.endswith(f"socketpair.domain in $families, in {base}")
    refused = remedy(profile, "x86_64", syscalls.number("x86_64", "bind") or 0)
    assert refused is not None
    assert refused.path == str(folder / "child.toml")
    assert f"of line 5 of {base}" in refused.reason
    shown = report.Shown(profile).text()
    assert f"extends  {base}" in shown.splitlines()
    assert "of" in shown
    assert report.Shown(profile).data()["extends"] == [base]


def test_a_mistake_in_what_is_extended_is_told_where_it_is(folder: Path) -> None:
    """File and line are the base's."""
    (folder / "base.toml").write_text(BASE.replace('"execve"', '"execvee"'))
    with pytest.raises(ProfileError) as caught:
        load(str(folder / "child.toml"))
    assert str(caught.value).startswith(f'{folder}/base.toml:3: unknown syscall "execvee"')


def test_a_copy_that_allows_more_extends_the_same(folder: Path) -> None:
    """It stands anywhere, since a path becomes absolute."""
    profile = load(str(folder / "child.toml"))
    calls = [("x86_64", 165, (0,) * 6), ("x86_64", 49, (0,) * 6)]  # mount, bind
    text = permitting(profile, calls, "own")
    assert text is not None
    (folder / "elsewhere").mkdir()
    own = folder / "elsewhere" / "own.toml"
    own.write_text(text)
    copy = load(str(own))
    assert [copy.decide(*call).action.permits for call in calls] == [True, True]
    assert answer(copy, "openat") == "trap"


@pytest.mark.parametrize(
    ("base", "child", "message"),
    [
        ('extends = "child.toml"\n', None, "a circle, or too many: "),
        ("", 'extends = "child.toml"', "a circle, or too many: "),
        ("", "extends = 3", "extends is the name or the path of one profile"),
        ("", 'extends = "nobase"', 'extends = "nobase": profile "nobase": not found'),
        ("", 'extends = "base.toml"\nallow = ["@mein"]', 'unknown group "@mein" (did you mean'),
        ("", 'extends = "base.toml"\nallow = ["$extr"]', 'unknown variable "$extr" (did you mean'),
    ],
)
def test_a_wrong_extension_is_refused(
    folder: Path, base: str, child: str | None, message: str
) -> None:
    """With file and line."""
    (folder / "base.toml").write_text(base + BASE)
    if child is not None:
        (folder / "child.toml").write_text(child)
    with pytest.raises(ProfileError) as caught:
        load(str(folder / "child.toml"))
    assert message in str(caught.value)
    assert ".toml:" in str(caught.value).split(" ")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[groups]\n"@a" = ["@b"]\n"@b" = ["@a"]', "a circle of groups: @a holds @b holds @a"),
        ('[groups]\n"a" = ["read"]', "a group's name begins with @"),
        ('[groups]\n"@sync" = ["read"]', '"@sync" is a group already'),
        ('[groups]\n"@a" = "read"', "must be a list of names"),
        ('allow = ["@a"]\n[groups]\n"@a" = [\n"raed"]', 'own.toml:5: unknown syscall "raed"'),
        ("groups = 3", "groups is a table"),
        ("[vars]\na = []", '"a" must be a number'),
        ("[vars]\na = true", '"a" must be a number'),
        ('[vars]\n"a b" = 1', "no name for a variable"),
        ('allow = ["$n"]\n[vars]\nn = 3', "in a list of calls holds 3: give names"),
    ],
)  # fmt: skip
def test_a_wrong_name_of_ones_own_is_refused(text: str, message: str) -> None:
    """With its line."""
    with pytest.raises(ProfileError) as caught:
        parse('default_action = "trap"\n' + text, "own.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("own.toml:")


def test_a_profile_of_an_ordinary_folder_may_not_lead_to_what_its_owner_may_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by name, what it extends by a path must be a plain file of the right owner as well."""
    folder = tmp_path / "sbtrace" / "profiles"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "secret.toml").write_text(BASE)
    (folder / "link.toml").symlink_to(tmp_path / "secret.toml")
    (folder / "own.toml").write_text('extends = "./link.toml"')
    with pytest.raises(ProfileError, match="cannot be read"):
        load("own")
