"""Cgroups of either version: who is in the one that bounds a target, and a machine without any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support import skip
from tracer.sandbox import cgroup

if TYPE_CHECKING:
    from pathlib import Path

_OWN = re.compile(r"(?<=/)sbtrace-[0-9a-f]+$", re.MULTILINE)

_HIDE = """
for at in $(grep " - cgroup2* " /proc/self/mountinfo | cut -d" " -f5); do umount -l "$at"; done
exec "$@"
"""
HIDDEN = ["unshare", "--mount", "sh", "-c", _HIDE, "sh"]
"""Words before a command, for which there is no hierarchy then."""


def parent() -> Path:
    """Where cgroups for targets are made; skips where nobody hands the controller down."""
    return cgroup.find_parent() or skip("needs a cgroup whose children may have pids.max")


def own(memberships: str) -> str:
    """Name of the cgroup that sbtrace made, from /proc/PID/cgroup of a process in it."""
    (found,) = set(_OWN.findall(memberships))
    return found
