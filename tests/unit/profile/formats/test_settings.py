"""Whatever a profile can have is in an export, or is said to be lost: in each format."""

from __future__ import annotations

import pytest

from tracer.profile import formats, parse
from tracer.sandbox import filter as filters

BASE = 'default_action = "errno:EPERM"\n{}allow = ["@default", "read", "write"]\n{}'
SETTINGS = {
    "exec": ('exec = "once"\n', ""),
    "unknown": ('unknown = "errno:ENOSYS"\n', ""),
    "abis": ('abis = ["native", "i386"]\n', ""),
    "limits": ("", "[limits]\ncore = 0\n"),
    "capabilities": ("", '[privileges]\ncapabilities = ["CHOWN"]\n'),
    "no capabilities": ("", "[privileges]\ncapabilities = []\n"),
    "all capabilities": ("", '[privileges]\ncapabilities = "keep"\n'),
    "ENOSYS": ("", '[errno]\nENOSYS = ["clone3"]\n'),
    "trap": ("", 'trap = ["mount"]\n'),
    "log": ("", 'log = ["mount"]\n'),
    "arguments": ("", '[[rule]]\nsyscalls = ["socket"]\naction = "allow"\nargs = ["arg0 == 1"]\n'),
}
NOTHING_TO_SAY = {
    ("systemd", "all capabilities"),  # what a unit has where it says nothing
    ("firejail", "all capabilities"),
    *(("pfc", setting) for setting in SETTINGS if "capabilities" in setting),  # it is a listing of
    ("pfc", "limits"),  # the filter, and says so of each profile
}
COMBINATIONS = [(f, s) for f in formats.NAMES for s in SETTINGS if (f, s) not in NOTHING_TO_SAY]


def exported(format_: str, *setting: str) -> formats.Exported:
    profile = parse(BASE.format(*setting), "p.toml")
    return formats.export(profile, format_, filters.compile)


@pytest.mark.parametrize(("format_", "setting"), COMBINATIONS, ids=" ".join)
def test_a_setting_is_in_the_file_or_named_as_lost(format_: str, setting: str) -> None:
    plain, with_it = exported(format_, "", ""), exported(format_, *SETTINGS[setting])
    assert with_it.data != plain.data or set(with_it.losses) > set(plain.losses)


@pytest.mark.parametrize("format_", formats.NAMES)
def test_exec_once_is_lost_in_every_format_and_said_so(format_: str) -> None:
    assert any(
        loss.startswith('exec = "once"') for loss in exported(format_, *SETTINGS["exec"]).losses
    )
