"""/proc/PID/io: read at once by root, kept open by an ordinary user."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tracer.collectors.procfs import accounts
from tracer.collectors.procfs.accounts import IoAccounts

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def child() -> Iterator[int]:
    pid = os.fork()
    if pid == 0:
        signal.pause()
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a Path for each is not needed


def test_root_keeps_nothing_open(monkeypatch: pytest.MonkeyPatch, child: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    before = open_files()
    found = IoAccounts((child,))
    assert found.read(child) is not None
    assert open_files() == before


def test_an_ordinary_user_opens_each_once(monkeypatch: pytest.MonkeyPatch, child: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = open_files()
    found = IoAccounts((child,))
    first, again = found.read(child), found.read(child)
    assert first == again is not None
    assert open_files() == before + 1
    found.forget(child)
    found.forget(child)
    assert open_files() == before


def test_the_next_process_of_a_number_has_its_own_account(
    monkeypatch: pytest.MonkeyPatch, child: int
) -> None:
    """The kept file is of one process for good: once that is gone, the number is another's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    gone = os.fork()
    if gone == 0:
        signal.pause()
    found = IoAccounts((gone,))
    os.kill(gone, signal.SIGKILL)
    os.waitpid(gone, 0)
    real = os.open
    monkeypatch.setattr(
        accounts.os, "open", lambda path, flags: real(path.replace(str(gone), str(child)), flags)
    )
    assert found.read(gone) is not None
    found.forget(gone)


def test_no_more_are_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, child: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(accounts, "_MOST_KEPT", 1)
    found = IoAccounts((child,))
    assert found.read(os.getpid()) is None
    found.forget(child)
    assert found.read(os.getpid()) is not None
    found.forget(os.getpid())


def test_a_process_that_is_not_there_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for uid in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert IoAccounts(()).read(2**22 + 1) is None
