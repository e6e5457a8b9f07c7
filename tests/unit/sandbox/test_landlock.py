"""A domain in which signals stay, by the kernel's own answer."""

from __future__ import annotations

import errno
import os

import pytest

from tests.unit.test_linux import in_child
from tracer import linux
from tracer.sandbox import landlock

needs_scopes = pytest.mark.skipif(
    not landlock.can_scope_signals(), reason="needs Landlock with scopes, of Linux 6.12"
)


@needs_scopes
def test_in_a_domain_nobody_outside_can_be_signalled() -> None:
    def confined() -> int:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        os.kill(os.getppid(), 0)
        if not landlock.scope_signals():
            return 1
        os.kill(os.getpid(), 0)
        os.kill(os.getppid(), 0)
        return 2

    assert in_child(confined) == 200 + errno.EPERM


def test_a_domain_that_the_kernel_refuses_is_said_and_leaves_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()

    def answer(number: int, *_: object) -> int:
        if number == landlock._RESTRICT_SELF:
            raise PermissionError(errno.EPERM, "refused")
        return reader

    monkeypatch.setattr(landlock, "can_scope_signals", lambda: True)
    monkeypatch.setattr(linux, "syscall", answer)
    assert landlock.scope_signals() is False
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)
    os.close(writer)


@pytest.mark.parametrize(("version", "can"), [(5, False), (6, True), (7, True)])
def test_scopes_came_with_the_sixth_version(
    monkeypatch: pytest.MonkeyPatch, version: int, can: bool
) -> None:
    monkeypatch.setattr(linux, "syscall", lambda *_: version)
    assert landlock.can_scope_signals() is can


def test_without_landlock_no_domain_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(number: int, ruleset: bytes | None, *_: object) -> int:
        assert (number, ruleset) == (landlock._CREATE_RULESET, None)
        raise OSError(errno.ENOSYS, "no Landlock")

    monkeypatch.setattr(linux, "syscall", missing)
    assert landlock.scope_signals() is False
