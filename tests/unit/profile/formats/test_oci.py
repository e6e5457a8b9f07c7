"""The JSON of OCI runtimes: both ways, and the traps of the format."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.profile.formats.agree import NATIVE, SHIPPED, differences, random_profiles
from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile import Profile, formats, load, parse
from tracer.profile.formats import Context, lower
from tracer.sandbox import filter as filters

ARCH = {"x86_64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[NATIVE]
EQ = {"index": 0, "value": 5, "op": "SCMP_CMP_EQ"}
PERSONALITY = syscalls.number(NATIVE, "personality") or 0


def exported(profile: Profile, format_: str = "oci") -> formats.Exported:
    return formats.export(profile, format_, filters.compile)


def imported(table: Any, **context: Any) -> formats.Imported:
    return formats.import_(json.dumps(table).encode(), Context("p.json", **context), "oci")


def table(*entries: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(entries), **top}


def entry(*names: str, **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **more}


def profile_of(*entries: dict[str, Any], **top: Any) -> Profile:
    return parse(imported(table(*entries, **top)).text, "p.toml")


def answers(profile: Profile, *values: int, name: str = "personality") -> list[str]:
    nr = syscalls.number(NATIVE, name) or 0
    return [str(profile.decide(NATIVE, nr, (value, 0, 0, 0, 0, 0)).action) for value in values]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_decides_the_same_after_export_and_import(name: str) -> None:
    before = load(name)
    back = formats.import_(exported(before).data, Context(f"{name}.json"))
    assert back.format == "oci"
    assert not back.losses
    assert differences(before, parse(back.text, "back.toml")) == []


def test_random_profiles_decide_the_same_after_export_and_import() -> None:
    for before in random_profiles("oci", 8):
        made = exported(before)
        back = formats.import_(made.data, Context("p.json"))
        assert made.losses == back.losses == (), before.source
        assert differences(before, parse(back.text, "back.toml")) == [], before.source


def test_what_holds_otherwise_stands_beside_conditions_as_one_that_always_holds() -> None:
    """libseccomp forgets the entries with conditions of a call that has one without."""
    profile = parse(
        'default_action = "errno:EPERM"\nallow = ["personality"]\n'
        '[[rule]]\nsyscalls = ["personality"]\naction = "errno:EACCES"\nargs = ["arg0 == 5"]',
        "p.toml",
    )
    written = json.loads(exported(profile).data)
    assert [e["args"] for e in written["syscalls"]] == [
        [EQ],
        [{"index": 0, "value": 0, "op": "SCMP_CMP_GE"}],
    ]


def test_an_entry_without_conditions_outdoes_those_with_and_that_is_said() -> None:
    found = imported(
        table(entry("personality", action="SCMP_ACT_TRAP", args=[EQ]), entry("personality"))
    )
    assert answers(parse(found.text, ""), 4, 5) == ["allow", "allow"]
    assert found.notes == (
        'syscalls[0] has no effect on "personality": syscalls[1] names it without conditions',
    )


def test_two_unequal_comparisons_of_one_argument_hold_for_every_value_and_that_is_said() -> None:
    """In one entry, and in two."""
    not_5, not_6 = ({**EQ, "value": value, "op": "SCMP_CMP_NE"} for value in (5, 6))
    found = imported(table(entry("personality", args=[not_5, not_6])))
    assert answers(parse(found.text, ""), 4, 5, 6) == ["allow"] * 3
    assert "two != hold for every value" in found.notes[0]
    apart = profile_of(entry("personality", args=[not_5]), entry("personality", args=[not_6]))
    assert answers(apart, 4, 5, 6) == ["allow"] * 3


def test_one_argument_twice_in_an_entry_is_taken_as_alternatives_as_runtimes_do() -> None:
    """libseccomp itself answers EINVAL, which runc and crun avoid in that way."""
    found = imported(table(entry("personality", args=[EQ, {**EQ, "value": 7}])))
    assert answers(parse(found.text, ""), 4, 5, 6, 7) == ["errno:EPERM", "allow"] * 2
    assert "one of them is enough" in found.notes[0]


def test_arguments_of_what_socketcall_hides_take_i386_away_and_that_is_a_loss() -> None:
    both = {"architectures": [ARCH, "SCMP_ARCH_X86"]}
    if NATIVE != "x86_64":
        pytest.skip("i386 is x86's")
    found = imported(table(entry("socket", args=[EQ]), **both))
    assert parse(found.text, "").abis == (NATIVE,)
    assert ["socketcall" in loss for loss in found.losses] == [True]
    kept = imported(table(entry("socket", "socketcall"), **both))
    assert parse(kept.text, "").abis == (NATIVE, "i386")
    assert not kept.losses


def test_an_invented_name_is_a_loss_and_one_of_another_machine_a_note() -> None:
    found = imported(table(entry("read", "raed", "riscv_flush_icache")))
    (loss,) = found.losses
    assert loss.startswith(
        'p.json: syscalls[0]: no kernel has a call "raed" (did you mean "read"?)'
    )
    assert found.notes == (
        '"riscv_flush_icache" is left out: it exists on no ABI that sbtrace serves, or no longer',
    )


def test_an_empty_list_of_names_is_an_error_and_never_written() -> None:
    with pytest.raises(ProfileError, match=r"^p.json: syscalls\[0\].names: is empty, so"):
        imported(table(entry()))
    for profile in (*map(load, SHIPPED), *random_profiles("oci", 8)):
        assert all(e["names"] for e in json.loads(exported(profile).data)["syscalls"])


def test_the_stub_that_runc_adds_is_said() -> None:
    profile = parse('default_action = "kill_process"\nallow = ["read", "statx"]', "p.toml")
    number = syscalls.number(NATIVE, "statx")
    assert any(
        f"runc answers calls above {number} (statx) with ENOSYS, not with kill_process" in note
        for note in exported(profile).notes
    )


def test_an_errno_in_quotes_is_an_error() -> None:
    with pytest.raises(ProfileError, match=r"syscalls\[0\].errnoRet: must be a whole number"):
        imported(table(entry("read", action="SCMP_ACT_ERRNO", errnoRet="13")))


def test_a_masked_comparison_has_its_mask_before_its_value() -> None:
    masked = {"index": 0, "value": 0xF, "valueTwo": 0x13, "op": "SCMP_CMP_MASKED_EQ"}
    profile = profile_of(entry("personality", args=[masked]))
    assert answers(profile, 3, 0x13, 0x23, 4) == ["allow"] * 3 + ["errno:EPERM"]


def test_includes_and_excludes_are_taken_for_the_capabilities_the_machine_and_the_kernel() -> None:
    """As moby does: all that are included, none that is excluded."""
    entries = [
        entry("chroot", includes={"caps": ["CAP_SYS_CHROOT"]}),
        entry("bpf", includes={"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}),
        entry("clone", excludes={"caps": ["CAP_SYS_ADMIN"]}, args=[EQ]),
        entry("clone", includes={"caps": ["CAP_SYS_ADMIN"]}),
        entry("ptrace", includes={"minKernel": "4.8"}),
        entry("io_uring_setup", excludes={"minKernel": "6.0"}),
        entry("getpid", includes={"arches": ["s390x"]}),
    ]

    def allowed(*caps: str, kernel: tuple[int, int]) -> set[str]:
        found = imported(table(*entries), capabilities=frozenset(caps), kernel=kernel)
        assert found.notes[0].startswith(f"read for {NATIVE}, Linux {kernel[0]}.{kernel[1]} and")
        profile = parse(found.text, "")
        return {*profile.unconditional, *(f"{name}?" for name in profile.conditional)}

    assert allowed(kernel=(4, 7)) == {"clone?", "io_uring_setup"}
    assert allowed("CAP_SYS_CHROOT", "CAP_SYS_ADMIN", kernel=(6, 0)) == {
        "chroot",
        "clone",
        "ptrace",
    }
    assert allowed("CAP_BPF", "CAP_SYS_ADMIN", kernel=(5, 0)) == {
        *("bpf", "clone", "ptrace", "io_uring_setup"),
    }


def test_what_libseccomp_2_5_has_no_name_for_is_known() -> None:
    """The list is that of the library here, if it is of that release."""
    import pyseccomp

    from tracer.profile.formats.runtimes import UNKNOWN_TO_2_5

    arch = pyseccomp.system_arch()
    unknown = {n for n in syscalls.names("x86_64") if pyseccomp.resolve_syscall(arch, n) == -1}
    if not unknown & UNKNOWN_TO_2_5:
        pytest.skip("a newer libseccomp")
    assert unknown == UNKNOWN_TO_2_5
    allowing = parse('default_action = "allow"\nkill_process = ["mseal"]', "p.toml")
    assert [
        "would be allowed where libseccomp is 2.5" in loss for loss in exported(allowing).losses
    ] == [True]


def test_what_a_profile_has_beside_the_filter_is_a_loss() -> None:
    profile = parse(
        'default_action = "allow"\nkill_process = ["syscall_0x3e7"]\n[limits]\ncore = 0\n'
        '[privileges]\ncapabilities = ["CHOWN"]',
        "p.toml",
    )
    assert exported(profile).losses == (
        "[limits] cannot be said: core; set them beside it",
        "[privileges] capabilities cannot be said; set them beside it",
        "syscall_0x3e7 without a name cannot be said: answered as by default",
    )


def test_conditions_that_no_profile_can_have_are_said_in_equalities() -> None:
    """Podman's rules for socket: several != beside an equality."""
    netlink = [
        {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
        {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"},
    ]
    not_audit = {"index": 2, "value": 9, "op": "SCMP_CMP_NE"}
    not_netlink = {"index": 0, "value": 16, "op": "SCMP_CMP_NE"}
    profile = profile_of(
        entry("socket", action="SCMP_ACT_ERRNO", errnoRet=22, args=netlink),
        entry("socket", args=[not_audit]),
        entry("socket", args=[not_netlink]),
    )
    nr = syscalls.number(NATIVE, "socket") or 0
    found = {
        (a, c): str(profile.decide(NATIVE, nr, (a, 0, c, 0, 0, 0)).action)
        for a in (15, 16)
        for c in (8, 9)
    }
    assert found == {(15, 8): "allow", (15, 9): "allow", (16, 8): "allow", (16, 9): "errno:EINVAL"}
    assert len(profile.rules) == 2


def test_the_configuration_of_a_bundle_is_taken_too() -> None:
    whole = {"ociVersion": "1.0.2", "linux": {"seccomp": table(entry("read"))}}
    assert answers(parse(imported(whole).text, ""), 0, name="read") == ["allow"]


def test_a_single_execve_and_an_answer_for_newer_calls_are_losses() -> None:
    text = 'default_action = "errno:EPERM"\nexec = "once"\nunknown = "errno:ENOSYS"\n'
    losses = exported(parse(text, "once.toml")).losses
    assert any(loss.startswith('exec = "once"') for loss in losses)
    assert any(loss.startswith('unknown = "errno:ENOSYS"') for loss in losses)


def test_what_is_new_in_the_language_is_a_loss_and_not_compiled_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a later profile can have, none of it is left out in silence."""
    fields = Profile._field_defaults
    text = 'default_action = "errno:EPERM"\nallow = ["read"]'
    compiled: list[Profile] = []

    def compile_(profile: Profile) -> filters.CompiledFilter:
        compiled.append(profile)
        return filters.compile(profile)

    monkeypatch.setattr(lower, "_SAID", lower._SAID - {"capabilities"})
    profile = parse(text, "p.toml")._replace(capabilities=1)
    made = formats.export(profile, "bpf", compile_)
    assert made.losses == (
        '"capabilities" of a profile cannot be said in other formats: it is left out',
    )
    assert [each.capabilities for each in compiled] == [fields["capabilities"]]
