"""Where no mounts can be made, the target is started without; any other failure stops it."""

from __future__ import annotations

import errno
import os

import pytest

from tracer.sandbox import mounts
from tracer.sandbox.confine import Confinement

NOTHING = Confinement((), (), (), ())


def refusing(code: int) -> None:
    raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOSYS])
def test_who_may_not_or_a_kernel_that_cannot_make_mounts_does_without(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """mount_setattr is of Linux 5.12."""
    monkeypatch.setattr(mounts, "unshare", lambda: refusing(code))
    assert NOTHING.enter() is False


def test_another_failure_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "unshare", lambda: refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        NOTHING.enter()
