"""Classes of activity: every sign is an entry of a profile, and means what its examples show."""

from __future__ import annotations

import pytest

from tracer import capabilities, syscalls
from tracer.analysis.risk import holds
from tracer.profile import groups, parse
from tracer.profile.activity import ACTIVITIES, Activity, Sign, entry
from tracer.profile.deciding import ARGUMENTS

NATIVE = syscalls.native_abi()
SIGNS = [sign for activity in ACTIVITIES for sign in activity.signs]


@pytest.mark.parametrize("sign", SIGNS, ids=entry)
def test_the_entry_of_a_sign_refuses_it_and_nothing_else(sign: Sign) -> None:
    profile = parse(f'default_action = "allow"\n{entry(sign)}', "a sign")
    assert profile.conditional.keys() | profile.unconditional.keys() <= {*sign.calls}
    for name in sign.calls:
        nr = syscalls.number(NATIVE, name)
        if nr is not None:
            assert holds(sign, NATIVE, nr, (0,) * 6) is not bool(sign.conditions)
            for args in sign.examples:
                assert holds(sign, NATIVE, nr, (*args, *[0] * (6 - len(args))))


def test_conditions_look_at_arguments_that_every_run_records() -> None:
    """And what they ask for is known: an example of each."""
    for sign in SIGNS:
        if sign.conditions:
            assert sign.examples
            assert {*sign.calls} <= ARGUMENTS.keys()


@pytest.mark.parametrize("activity", ACTIVITIES, ids=lambda activity: activity.name)
def test_a_class_says_what_it_is_for_who_says_so_and_what_ends_it(activity: Activity) -> None:
    assert activity.why
    assert activity.sources
    assert activity.systemd
    mask = capabilities.mask_of(activity.capabilities)
    assert {*capabilities.names_of(mask)} == {*activity.capabilities}
    for setting in activity.systemd:
        name, equals, words = setting.partition("=")
        assert name[0].isupper()
        assert equals
        for word in words.removeprefix("~").split() if name == "SystemCallFilter" else ():
            assert groups.described(word) if word[0] == "@" else syscalls.number(NATIVE, word)


def test_a_sign_holds_on_an_abi_that_has_its_call_alone() -> None:
    sign = Sign(("arch_prctl",))
    assert holds(sign, "x86_64", syscalls.number("x86_64", "arch_prctl") or 0, (0,) * 6)
    assert not holds(sign, "arm64", 1, (0,) * 6)
