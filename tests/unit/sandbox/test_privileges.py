"""What of the caller's capabilities a target is to have, by profile and command line."""

from __future__ import annotations

import pytest

from tracer import capabilities
from tracer.errors import ProfileError, UsageError, UserError
from tracer.profile import parse
from tracer.report.profile import Shown
from tracer.sandbox import privileges as module
from tracer.sandbox.privileges import Privileges, asked_for, privileges
from tracer.sandbox.user import TargetUser

OPEN = 'default_action = "allow"\nabis = ["any"]\n'
FILTERS = 'default_action = "kill_process"\nallow = ["read"]\n'
CHOWN, KILL, SETUID = 1 << 0, 1 << 5, 1 << 7
HERS = CHOWN | KILL
ROOT = TargetUser(0, 0, (0,), "root", "/root", changes=False)
NOBODY = TargetUser(65534, 65534, (65534,), "nobody", "/", changes=True)


READ = module._Own.read


@pytest.fixture(autouse=True)
def _caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """sbtrace has CHOWN and KILL, and SETUID could be gained by an exec."""
    own = module._Own(0, HERS, HERS | SETUID, 0, no_new_privs=False)
    monkeypatch.setattr(module._Own, "read", lambda: own)


def got(profile: str, words: tuple[str, ...] | None = None, user: TargetUser = ROOT) -> Privileges:
    return privileges(parse(profile, "p.toml"), asked_for(words), user)


def listed(value: str) -> str:
    return f"{FILTERS}[privileges]\ncapabilities = {value}\n"


@pytest.mark.parametrize("no_new_privs", [False, True])
def test_ones_own_sets_are_read_by_their_names(
    monkeypatch: pytest.MonkeyPatch, no_new_privs: bool
) -> None:
    status = (
        "Name:\tCapPrm: 1\nno colon\nCapInh:\t0000000000000002\nCapPrm:\t0000000000000020\n"
        "CapEff:\t0000000000000040\nCapBnd:\t00000000000000a0\nCapAmb:\t0000000000000001\n"
        f"NoNewPrivs:\t{no_new_privs:d}\n"
    )
    monkeypatch.setattr(module.Path, "read_text", lambda *_, **__: status)
    assert READ() == module._Own(0x2, 0x20, 0xA0, 0x1, no_new_privs=no_new_privs)


def test_without_a_filter_root_has_what_execve_gives_and_another_user_nothing() -> None:
    found = got(OPEN)
    assert (found.held, found.no_new_privs, found.no_new_privs_then) == (None, False, False)
    assert (found.begins_with, found.loses) == (HERS | SETUID, 0)
    other = got(OPEN, user=NOBODY)
    assert (other.held, other.no_new_privs) == (None, False)
    assert (other.begins_with, other.loses) == (0, HERS)


def test_under_a_filter_a_target_has_none_and_gets_none() -> None:
    found = got(FILTERS)
    assert (found.held, found.no_new_privs, found.begins_with, found.loses) == (0, True, 0, HERS)


def test_what_is_kept_under_a_filter_is_no_more_than_the_caller_has() -> None:
    """An exec gives nothing under no_new_privs."""
    found = got(FILTERS, ("keep",))
    assert (found.held, found.no_new_privs, found.begins_with, found.loses) == (None, True, HERS, 0)


def test_a_list_without_a_filter_comes_with_no_new_privs() -> None:
    found = got(OPEN, ("chown",))
    assert (found.held, found.no_new_privs, found.loses) == (CHOWN, True, KILL)


def test_the_command_line_comes_before_the_profile() -> None:
    assert got(listed('["CAP_KILL"]')).held == KILL
    assert got(listed('["CAP_KILL"]'), ("none",)).held == 0
    assert got(listed('"keep"')).held is None
    assert got(listed('"keep"'), ("Chown,kill",)).held == HERS


def test_what_sbtrace_has_not_cannot_be_given() -> None:
    with pytest.raises(UserError, match=r"^CAP_SETUID: sbtrace has no such capability itself"):
        got(listed('["CHOWN", "SETUID"]'))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("CHWON",), r'"CHWON" \(did you mean "CHOWN"\?\)'),
        (("none", "KILL"), '"none": give names such as CHOWN,NET_BIND_SERVICE, or keep or none'),
        (("KILL,",), '"": give names such as'),
    ],
)
def test_wrong_words_are_named(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        asked_for(words)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('capabilities = ["CHWON"]', r':4: unknown capability "CHWON" \(did you mean "CHOWN"\?\)'),
        ('capabilities = [\n"KILL",\n"xyzzy"]', ':6: unknown capability "xyzzy"; capabilities'),
        ('capabilities = "all"', ':4: capabilities is "keep", or a list such as'),
        ("capabilities = [1]", ':4: capabilities is "keep", or a list such as'),
        ("capability = []", r':4: unknown key "capability" \(did you mean "capabilities"\?\)'),
    ],
)
def test_a_wrong_table_of_a_profile_is_named_with_its_line(table: str, says: str) -> None:
    with pytest.raises(ProfileError, match=says):
        parse(f"{FILTERS}[privileges]\n{table}\n", "p.toml")


def test_privileges_must_be_a_table() -> None:
    with pytest.raises(ProfileError, match=r":1: privileges must be a table: \[privileges\]"):
        parse(f"privileges = 5\n{FILTERS}", "p.toml")


def test_what_a_profile_keeps_is_shown() -> None:
    assert "capabilities" not in Shown(parse(FILTERS, "p.toml")).text()
    kept = parse(listed('["KILL", "chown"]'), "p.toml")
    assert Shown(kept).text().endswith("\nprivileges\n  capabilities   CAP_CHOWN, CAP_KILL\n")
    assert Shown(kept).data()["capabilities"] == ["CAP_CHOWN", "CAP_KILL"]
    assert Shown(parse(listed("[]"), "p.toml")).text().endswith("\n  capabilities   none\n")
    assert Shown(parse(listed('"keep"'), "p.toml")).data()["capabilities"] == "keep"


def test_names_are_the_kernels_by_number() -> None:
    """linux/capability.h, of which the last is CAP_CHECKPOINT_RESTORE; more may come."""
    assert capabilities.names_of(1 << 40 | 1) == ("CAP_CHOWN", "CAP_CHECKPOINT_RESTORE")
    assert capabilities.names_of(1 << 41) == ("CAP_41",)
    assert capabilities.mask_of(("sys_admin", "CAP_NET_ADMIN")) == 1 << 21 | 1 << 12
