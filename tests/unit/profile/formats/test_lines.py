"""Formats of lines, and YAML: systemd, firejail, minijail, kafel, the Kubernetes operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.profile.formats import agree
from tests.unit.profile.formats.agree import NATIVE, SHIPPED, differences, random_profiles
from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import Profile, formats, groups, load, parse
from tracer.profile.formats import Context
from tracer.sandbox import filter as filters

if TYPE_CHECKING:
    from tracer.profile.formats import Exported, Imported

READABLE = ("systemd", "firejail", "minijail", "spo")


def exported(profile: Profile, format_: str) -> Exported:
    return formats.export(profile, format_, filters.compile)


def imported(text: str, format_: str, name: str = "own") -> Imported:
    return formats.import_(text.encode(), Context(name), format_)


def profile_of(text: str, format_: str) -> Profile:
    return parse(imported(text, format_).text, "own.toml")


def action(profile: Profile, name: str, *args: int) -> str:
    nr = syscalls.number(NATIVE, name) or 0
    registers = (*args, *[0] * (6 - len(args)))
    return str(profile.decide(NATIVE, nr, registers).action)


def compared(before: Profile, format_: str) -> tuple[list[str], bool]:
    """What is answered differently after export and import, and whether a loss was named."""
    made = exported(before, format_)
    back = formats.import_(made.data, Context("own"), format_)
    abis = (NATIVE,) if format_ in ("firejail", "minijail") else None
    return differences(before, parse(back.text, "b.toml"), abis), bool(made.losses or back.losses)


@pytest.mark.parametrize("format_", READABLE)
def test_what_is_answered_differently_after_export_and_import_is_named_as_lost(
    format_: str,
) -> None:
    """Of random profiles, and those that are shipped; LEARNING refuses nothing."""
    profiles = (*map(load, SHIPPED[:2]), *random_profiles("any", 2))
    found = {profile.name: compared(profile, format_) for profile in profiles}
    assert [name for name, (different, lost) in found.items() if different and not lost] == []


@pytest.mark.parametrize("format_", READABLE)
def test_a_profile_of_what_a_format_can_say_decides_the_same_and_loses_nothing(
    format_: str,
) -> None:
    by_arguments = format_ in ("minijail", "spo")
    profiles = random_profiles(f"{format_}2", 3, agree.SAYABLE[format_], by_arguments=by_arguments)
    found = [compared(profile, format_) for profile in profiles]
    assert all(different == [] for different, lost in found if not lost)
    assert sum(not lost for _, lost in found) >= 2  # of minijail, those that do not kill by default


def test_what_systemd_lets_through_by_itself_is_taken_out_of_an_allow_list() -> None:
    made = exported(parse('default_action = "errno:EPERM"\nallow = ["read"]', "p.toml"), "systemd")
    lines = made.data.decode().splitlines()
    assert "SystemCallFilter=read" in lines
    assert any(line.startswith("SystemCallFilter=~") and "execve" in line for line in lines)
    assert lines[-2:] == ["SystemCallErrorNumber=EPERM", "NoNewPrivileges=yes"]


def test_the_lines_of_a_unit_are_taken_in_their_order() -> None:
    """The first decides what kind of list it is; an empty one begins anew; ~ takes out."""
    profile = profile_of(
        "[Unit]\nDescription=x\n[Service]\nSystemCallFilter=~read\nSystemCallFilter=\n"
        "; comment\nSystemCallFilter=@basic-io \\\n  getcwd\nSystemCallFilter=~write dup\n"
        "SystemCallErrorNumber=EACCES\nSystemCallArchitectures=native\nSystemCallLog=getcwd\n",
        "systemd",
    )
    assert str(profile.default_action) == "errno:EACCES"
    assert profile.abis == (NATIVE,)
    asked = ("read", "getcwd", "write", "dup", "execve", "mount")
    assert [action(profile, name) for name in asked] == [
        *("allow", "log", "errno:EACCES", "errno:EACCES", "allow", "errno:EACCES"),
    ]


def test_a_deny_list_of_a_unit_has_an_error_for_each_call() -> None:
    profile = profile_of("SystemCallFilter=~mount:ENOSYS ptrace:kill umount2:13 reboot", "systemd")
    assert [action(profile, name) for name in ("mount", "ptrace", "umount2", "reboot", "read")] == [
        *("errno:ENOSYS", "kill_process", "errno:EACCES", "kill_process", "allow"),
    ]


def test_other_settings_of_a_unit_that_filter_are_a_loss() -> None:
    found = imported("SystemCallFilter=read\nRestrictNamespaces=yes\nLockPersonality=no", "systemd")
    assert ["RestrictNamespaces= (line 2)" in loss for loss in found.losses] == [True]


def test_limits_and_capabilities_of_a_profile_become_settings_of_a_unit() -> None:
    text = '[limits]\nopen_files = 64\ndata = "1K"\n[privileges]\ncapabilities = ["CHOWN"]'
    made = exported(parse(f'default_action = "allow"\n{text}', "p.toml"), "systemd")
    assert made.losses == ()
    wanted = {"LimitNOFILE=64", "LimitDATA=1024", "CapabilityBoundingSet=CAP_CHOWN"}
    assert wanted <= set(made.data.decode().splitlines())


@pytest.mark.parametrize(
    ("format_", "text", "said"),
    [
        ("systemd", "SystemCallFilter=read\nLimitNOFILE=64", "LimitNOFILE= (line 2)"),
        ("systemd", "SystemCallFilter=read\nCapabilityBoundingSet=", "CapabilityBoundingSet= (l"),
        ("firejail", "seccomp.keep read\nrlimit-nofile 64", "rlimit-nofile (line 2)"),
        ("firejail", "seccomp.keep read\ncaps.drop all", "caps.drop (line 2)"),
        ("firejail", "include x\nseccomp.keep read", "include (line 1)"),
    ],
)
def test_limits_capabilities_and_includes_that_are_not_taken_over_are_noted(
    format_: str, text: str, said: str
) -> None:
    assert any(note.startswith(said) for note in imported(text, format_).notes)


def test_arguments_that_a_format_cannot_say_are_refused_and_named() -> None:
    text = '[[rule]]\nsyscalls = ["socket"]\naction = "allow"\nargs = ["arg0 == 1"]'
    profile = parse(f'default_action = "errno:EPERM"\nallow = ["read"]\n{text}', "p.toml")
    for format_ in ("systemd", "firejail"):
        made = exported(profile, format_)
        assert made.losses == (
            'arguments of "socket" cannot be said: errno:EPERM whatever they are',
        )
        assert b"socket" not in made.data


def test_a_mask_becomes_the_bits_that_minijail_asks_for() -> None:
    text = '[[rule]]\nsyscalls = ["socket"]\naction = "allow"\nargs = ["arg0 & 0xff == 5"]'
    made = exported(parse(f'default_action = "kill_process"\n{text}', "p.toml"), "minijail")
    wanted = "socket: arg0 & 1 && arg0 & 4 && arg0 in 0xffffffffffffff05"
    assert made.data.decode().splitlines()[1] == wanted


def test_a_line_of_minijail_is_alternatives_and_an_answer_for_the_rest() -> None:
    profile = profile_of(
        "# comment\nread: 1\nopen: return 13\nsocket: arg0 == 1 && arg1 in 0x3|~0xff || arg2 & 6;"
        " return EPERM\nprctl: arg0 \\\n  != 4\n",
        "minijail",
    )
    assert str(profile.default_action) == "kill_process"
    assert [action(profile, name) for name in ("read", "open", "write")] == [
        *("allow", "errno:EACCES", "kill_process"),
    ]
    asked = [(1, 3), (1, 4), (2, 3), (1, 0x100), (9, 9, 4), (9, 9, 8)]
    assert [action(profile, "socket", *args) for args in asked] == [
        *("allow", "errno:EPERM", "errno:EPERM", "allow", "allow", "errno:EPERM"),
    ]
    assert [action(profile, "prctl", arg) for arg in (4, 5)] == ["kill_process", "allow"]


def test_the_lines_of_a_firejail_profile_are_taken() -> None:
    profile = profile_of(
        "include x\nseccomp.drop mount:ENOSYS,ptrace:kill,@reboot\nseccomp.block-secondary\n",
        "firejail",
    )
    assert [action(profile, name) for name in ("mount", "ptrace", "kexec_load", "read")] == [
        *("errno:ENOSYS", "kill_process", "errno:EPERM", "allow"),
    ]
    kept = profile_of("seccomp.keep read,write\nseccomp-error-action kill", "firejail")
    assert [action(kept, name) for name in ("read", "mount")] == ["allow", "kill_process"]


def test_kafel_declares_arguments_and_says_the_listed_last() -> None:
    text = '[[rule]]\nsyscalls = ["socket"]\naction = "errno:EACCES"\nargs = ["arg0 & 0xff == 5"]'
    profile = parse(f'default_action = "kill_process"\nallow = ["socket"]\n{text}', "p.toml")
    shown = " ".join(exported(profile, "kafel").data.decode().split())
    assert shown.endswith(
        "POLICY policy_p { ERRNO(13) { socket(a0, a1, a2, a3, a4, a5) { ((a0 & 0xff) == 0x5) } }, "
        "ALLOW { socket } } USE policy_p DEFAULT KILL_PROCESS"
    )


def test_the_operators_error_is_a_text_both_ways() -> None:
    profile = parse('default_action = "errno:EPERM"\n[errno]\nEACCES = ["read"]', "p.toml")
    made = exported(profile, "spo")
    resource = json.loads(made.data)
    assert resource["kind"] == "SeccompProfile"
    assert resource["spec"]["syscalls"][0]["errnoRet"] == "13"
    assert action(profile_of(made.data.decode(), "spo"), "read") == "errno:EACCES"
    other = parse('default_action = "errno:EACCES"', "p.toml")
    assert "no defaultErrnoRet" in exported(other, "spo").losses[0]


def test_a_resource_in_yaml_is_read_where_pyyaml_is() -> None:
    pytest.importorskip("yaml")
    text = (
        "kind: SeccompProfile\nmetadata:\n  name: web\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n"
        "  baseProfileName: runc\n  syscalls:\n  - action: SCMP_ACT_ALLOW\n    names: [read]\n"
    )
    found = imported(text, "spo")
    assert 'name = "web"' in found.text
    assert ["what runc allows is not taken over" in loss for loss in found.losses] == [True]


def test_the_format_of_a_file_is_found_out_by_its_content() -> None:
    profile = load("STRICT")
    for format_ in ("bpf", "oci", *READABLE):
        data = exported(profile, format_).data
        assert formats.import_(data, Context("own")).format == format_
    with pytest.raises(ProfileError, match="of no format that is known here; give --format"):
        formats.import_(b"hello", Context("own"))


def test_every_word_of_a_unit_is_one_that_systemd_knows() -> None:
    """It passes over others with a warning, so that what they say would be lost."""
    everything_logged = parse('default_action = "log"\n', "p.toml")
    assert b"SystemCallLog=@known\n" in exported(everything_logged, "systemd").data
    for profile in (everything_logged, *random_profiles("systemd", 60)):
        for line in exported(profile, "systemd").data.decode().splitlines():
            key, _, words = line.partition("=")
            for word in (
                words.lstrip("~").split() if key in ("SystemCallFilter", "SystemCallLog") else ()
            ):
                name = word.partition(":")[0]
                assert name in groups.descriptions() or name in syscalls.names(NATIVE), line
