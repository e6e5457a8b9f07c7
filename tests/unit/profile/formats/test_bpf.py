"""Plain filters as profiles, and back; and their listing."""

from __future__ import annotations

import struct
from importlib import import_module

import pytest

from tests.unit.profile.formats.agree import NATIVE, SHIPPED, differences, random_profiles
from tracer import syscalls
from tracer.errors import ProfileError, UsageError
from tracer.profile import Profile, formats, load, machine, parse
from tracer.profile.formats import Context
from tracer.sandbox import filter as filters

JUMP_EQUAL, JUMP_SET = 0x15, 0x45
ALLOW, EPERM, ENOSYS, KILL_THREAD, USER_NOTIF = (
    *(0x7FFF_0000, 0x0005_0001, 0x0005_0026, 0, 0x7FC0_0000),
)


def exported(profile: Profile, format_: str = "bpf") -> formats.Exported:
    return formats.export(profile, format_, filters.compile)


def imported(*instructions: tuple[int, int, int, int]) -> formats.Imported:
    data = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    return formats.import_(data, Context("own.bpf"))


def returned(value: int) -> tuple[int, int, int, int]:
    return (machine.RETURN, 0, 0, value)


def loaded(at: int) -> tuple[int, int, int, int]:
    return (machine.LOAD, 0, 0, at)


@pytest.mark.parametrize("name", SHIPPED[:1])
def test_a_shipped_profiles_filter_decides_the_same_as_a_profile_again(name: str) -> None:
    before = load(name)
    back = formats.import_(exported(before).data, Context(f"{name}.bpf"))
    assert (back.format, back.losses) == ("bpf", ())
    assert differences(before, parse(back.text, "back.toml")) == []


def test_filters_of_random_profiles_decide_the_same_as_profiles_again() -> None:
    for before in random_profiles("bpf", 3):
        back = formats.import_(exported(before).data, Context("p.bpf"))
        assert back.losses == (), before.source
        assert differences(before, parse(back.text, "back.toml")) == [], before.source


def test_a_comparison_comes_back_as_it_was_written() -> None:
    rules = ["arg0 < 7", "arg2 != 9", "arg1 & 0xff == 3", "arg3 >= 0x100000000"]
    for rule in (*([rule] for rule in rules), rules):
        text = f'[[rule]]\nsyscalls = ["prctl"]\naction = "allow"\nargs = {rule!r}'
        before = parse(f'default_action = "errno:EPERM"\n{text}', "p.toml")
        (back,) = parse(formats.import_(exported(before).data, Context("p.bpf")).text, "").rules
        assert set(map(str, back.conditions)) == {
            {"arg0 < 7": "arg0 <= 6"}.get(each, each) for each in rule
        }


def test_calls_of_other_abis_that_are_answered_alike_are_kept() -> None:
    before = parse(
        'default_action = "errno:EPERM"\nallow = ["read"]\nabis = ["native", "i386"]', ""
    )
    back = parse(formats.import_(exported(before).data, Context("p.bpf")).text, "")
    assert back.abis == before.abis


def test_a_filter_that_asks_somebody_is_a_loss() -> None:
    found = imported(
        loaded(machine.NR_AT), (JUMP_EQUAL, 0, 1, 0), returned(USER_NOTIF), returned(ALLOW)
    )
    assert found.losses[0].startswith(f"{syscalls.name(NATIVE, 0)}: user_notif asks a listener")


def test_a_number_without_a_name_keeps_its_answer() -> None:
    found = imported(
        loaded(machine.NR_AT), (JUMP_EQUAL, 0, 1, 0x2710), returned(EPERM), returned(ALLOW)
    )
    profile = parse(found.text, "")
    assert str(profile.decide(NATIVE, 0x2710).action) == "errno:EPERM"
    assert str(profile.decide(NATIVE, 0x2711).action) == "allow"


def test_what_a_filter_answers_above_all_calls_becomes_the_default() -> None:
    """As runc's stub does: ENOSYS for what is newer than the profile."""
    found = imported(loaded(machine.NR_AT), (0x35, 0, 1, 600), returned(ENOSYS), returned(EPERM))
    profile = parse(found.text, "")
    assert str(profile.default_action) == "errno:ENOSYS"
    assert str(profile.decide(NATIVE, 0).action) == "errno:EPERM"
    assert "numbers above all calls" in found.losses[0]


def test_a_filter_that_looks_at_the_place_of_the_call_is_an_error() -> None:
    with pytest.raises(ProfileError, match=r"own\.bpf: the filter looks at the place of the call"):
        imported(loaded(8), (JUMP_EQUAL, 0, 1, 5), returned(EPERM), returned(ALLOW))


def test_what_the_kernel_would_not_load_is_an_error() -> None:
    for data in (b"\0" * 7, b"\0" * 8, struct.pack("=HBBI", machine.LOAD, 0, 0, 4)):
        with pytest.raises(ProfileError, match=r"own\.bpf: no filter that this kernel would load"):
            formats.import_(data, Context("own.bpf"))


def test_a_profile_that_restricts_nothing_has_no_filter_to_write() -> None:
    for format_ in ("bpf", "pfc"):
        with pytest.raises(ProfileError, match="LEARNING restricts nothing"):
            exported(load("LEARNING"), format_)


def test_the_listing_names_calls_and_is_only_written() -> None:
    profile = parse('default_action = "errno:EPERM"\nallow = ["read"]', "p.toml")
    assert b'filter for syscall "read"' in exported(profile, "pfc").data
    with pytest.raises(UsageError, match='"pfc" is only written; give another of bpf, oci'):
        formats.import_(b"", Context("p"), "pfc")


def test_the_answer_for_newer_calls_is_in_the_filter_and_comes_back_as_the_default() -> None:
    text = 'default_action = "errno:EPERM"\nunknown = "errno:ENOSYS"\nallow = ["read"]'
    made = exported(parse(text, "p.toml"))
    assert made.losses == ()
    back = parse(formats.import_(made.data, Context("p.bpf")).text, "back.toml")
    newest = max(syscalls.number(NATIVE, name) or 0 for name in syscalls.names(NATIVE))
    asked = (
        syscalls.number(NATIVE, "read") or 0,
        syscalls.number(NATIVE, "write") or 0,
        newest + 9,
    )
    assert [str(back.decide(NATIVE, nr).action) for nr in asked] == [
        *("allow", "errno:EPERM", "errno:ENOSYS"),
    ]


def test_the_formats_that_are_offered_for_import_are_those_that_can_be_read() -> None:
    modules = {name: import_module(f"tracer.profile.formats.{name}") for name in formats.NAMES}
    can = [name for name, module in modules.items() if module.FORMAT.read is not None]
    assert list(formats.READ) == can
