"""What can be compared or scored: a profile, a group of calls, the filters of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import FilterError
from tracer.profile import load, parse, render
from tracer.sandbox import filter as filters
from tracer.sandbox import in_force

if TYPE_CHECKING:
    from tracer.profile import Profile
    from tracer.profile.machine import Program

_GROUP = """default_action = "errno:EPERM"
allow = ["@default", "{group}"]
"""


class Source(NamedTuple):
    """Filters, and where they come from."""

    label: str
    """As a person names it."""
    filters: tuple[Program, ...]
    """The oldest first; none where nothing is restricted."""
    profile: Profile | None
    """None for a group or a process, which have no limits and capabilities that are known."""


def source(text: str) -> Source:
    """The source that a word stands for: a profile's name or file, ``@group``, or a pid.

    A group is what systemd makes of ``SystemCallFilter=@group``: @default is allowed as well, and
    other calls get EPERM. Raises ProfileError and FilterError as ``load`` and ``in_force.read`` do.
    """
    if text.isascii() and text.isdecimal():
        return _process(int(text))
    if text.startswith("@"):
        render.group(text)  # an unknown one is named
        return _compiled(text, parse(_GROUP.format(group=text), text))._replace(profile=None)
    found = load(text)
    return _compiled(found.name, found)


def _compiled(label: str, profile: Profile) -> Source:
    program = filters.compile(profile).program()
    return Source(label, (program,) if program else (), profile)


def _process(pid: int) -> Source:
    found = in_force.read(pid)
    if found.mode == "strict":
        raise FilterError(f"process {pid} is in strict mode, which has no filter to compare")
    return Source(f"process {pid}, {found.comm}", found.filters, None)
