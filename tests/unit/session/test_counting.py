"""What the kernel's side is told of a profile before a run."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.paths import DIRECT_NUMBERS
from tracer.profile import load
from tracer.session.counting import _logged, verdicts

if TYPE_CHECKING:
    from pathlib import Path

RULE = """
default_action = "errno:EPERM"
[[rule]]
syscalls = ["time"]
action = "allow"
args = ["arg0 == 0"]
"""
UNKNOWN, SIGNAL, ERRNO = wire.VERDICT_UNKNOWN, wire.VERDICT_SIGNAL, wire.VERDICT_ERRNO


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x86-64 alone has a vsyscall page")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('default_action = "allow"\n', [UNKNOWN] * 3),
        ('default_action = "log"\n', [UNKNOWN] * 3),
        ('default_action = "kill_process"\nallow = ["time"]', [SIGNAL, UNKNOWN, SIGNAL]),
        ('default_action = "errno:EPERM"\n', [ERRNO + errno.EPERM] * 3),
        (
            'default_action = "allow"\ntrap = ["getcpu"]\n[errno]\nEXFULL = ["gettimeofday"]',
            [ERRNO + errno.EXFULL, UNKNOWN, SIGNAL],
        ),
        (RULE, [ERRNO + errno.EPERM, UNKNOWN, ERRNO + errno.EPERM]),
    ],
)
def test_the_vsyscall_page_is_told_what_the_profile_does_whatever_the_arguments(
    text: str, expected: list[int], tmp_path: Path
) -> None:
    """In the page's order: gettimeofday, time, getcpu. Unknown where arguments decide, or where
    the call is let through and only another filter can refuse it."""
    path = tmp_path / "some.toml"
    path.write_text(text)
    assert verdicts(load(str(path))) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('default_action = "allow"\nlog = ["read", "write"]', {"read", "write"}),
        ('default_action = "allow"\ntrap = ["read"]', set()),
    ],
)
def test_calls_that_may_be_logged_are_known_by_number(
    text: str, names: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(text)
    profile = load(str(path))
    assert _logged(profile) == {syscalls.number(profile.abis[0], name) for name in names}


def test_every_call_may_be_logged_where_that_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text('default_action = "log"\n')
    assert _logged(load(str(path))) == set(range(DIRECT_NUMBERS))
