"""Whom a target runs as."""

from __future__ import annotations

import os
import pwd

import pytest

from tracer.errors import UserError
from tracer.sandbox.user import target_user


@pytest.mark.parametrize("spec", ["no-such-user", "4294967295", "-1", ""])
def test_a_user_that_is_none_is_an_error(spec: str) -> None:
    with pytest.raises(UserError):
        target_user(spec)


def test_without_a_wish_it_is_who_started_sbtrace() -> None:
    found = target_user(None)
    assert (found.uid, found.gid, found.changes) == (os.geteuid(), os.getegid(), False)
    assert found.groups == tuple(os.getgroups())


def test_who_asked_by_sudo_is_the_target_with_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.getpwnam("daemon")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", str(entry.pw_uid))
    monkeypatch.setenv("SUDO_GID", "4711")
    found = target_user(None)
    assert (found.uid, found.gid, found.name, found.home, found.changes) == (
        entry.pw_uid, 4711, "daemon", entry.pw_dir, True
    )  # fmt: skip
    assert 4711 in found.groups


@pytest.mark.parametrize("by", ["name", "number"])
def test_root_may_name_any_user(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    entry = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = target_user("nobody" if by == "name" else str(entry.pw_uid))
    assert (found.uid, found.gid, found.home) == (entry.pw_uid, entry.pw_gid, entry.pw_dir)
    assert found.changes


def test_a_number_without_an_entry_is_a_user_with_one_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert target_user("54321") == (54321, 54321, (54321,), None, None, True)


def test_an_ordinary_user_may_name_nobody_but_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert not target_user("nobody").changes
    with pytest.raises(UserError, match="only root can start a command as another user"):
        target_user("daemon")


def test_the_largest_uid_is_one_below_the_one_that_means_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert target_user(str(2**32 - 2)).uid == 2**32 - 2
    with pytest.raises(UserError, match="the largest is 4294967294"):
        target_user(str(2**32 - 1))


@pytest.mark.parametrize("digits", ["4294967296", "9" * 5000])
def test_a_number_of_any_length_that_is_no_uid_is_said_to_be_none(digits: str) -> None:
    """Python itself makes no number of more than 4,300 digits."""
    with pytest.raises(UserError, match="not a uid: the largest is 4294967294"):
        target_user(digits)


def test_zeros_before_a_uid_are_of_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert target_user("0" * 5000).uid == 0
    assert target_user("0" * 20 + "65533").uid == 65533
