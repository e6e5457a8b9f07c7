"""A kernel that is too old is named with one that would do; nothing is refused by its number."""

from __future__ import annotations

import os

import pytest

from tracer.collectors.kernel.program import variant as age
from tracer.errors import KernelError


@pytest.mark.parametrize(
    ("release", "is_blamed"),
    [
        ("5.10.0-46-amd64", True),
        ("5.14.0-503.el9.x86_64", True),
        ("4.18", True),
        ("5.15.0-204-generic", False),
        ("6.1.0-56-amd64", False),
        ("10.0", False),
        ("unheard of", False),
    ],
)
def test_a_failure_on_an_old_kernel_names_the_one_that_would_do(
    monkeypatch: pytest.MonkeyPatch, release: str, is_blamed: bool
) -> None:
    names = os.uname()
    other = os.uname_result((names.sysname, names.nodename, release, *names[3:]))
    monkeypatch.setattr(os, "uname", lambda: other)
    said = str(age.explained(KernelError("map x: Invalid argument")))
    blame = f"eBPF's figures need Linux 5.15 or later, this is {release}: "
    assert said == (blame if is_blamed else "") + "map x: Invalid argument"
