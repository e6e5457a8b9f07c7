"""What can be compared or scored: a profile, a group of calls, the filters of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import FilterError
from tracer.profile import formats, groups, load, once, parse
from tracer.profile.formats.context import context
from tracer.profile.locate import read_bytes
from tracer.sandbox import filter as filters
from tracer.sandbox import in_force

if TYPE_CHECKING:
    from tracer.profile import Profile
    from tracer.profile.machine import Program

_GROUP = """default_action = "errno:EPERM"
allow = ["@default", "{group}"]
"""

_FOREIGN = (".json", ".bpf")


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

    A file that ends in .json or .bpf is imported first, for a container with Docker's capabilities.

    A group is what systemd makes of ``SystemCallFilter=@group``: @default is allowed as well, and
    other calls get EPERM. Raises ProfileError and FilterError as ``load`` and ``in_force.read`` do.
    """
    if text.isascii() and text.isdecimal():
        return _process(int(text))
    if text.startswith("@"):
        groups.described(text)  # an unknown one is named
        return _compiled(text, parse(_GROUP.format(group=text), text))._replace(profile=None)
    if text.endswith(_FOREIGN):
        return _imported(text)
    found = load(text)
    return _compiled(found.name, found)


def _imported(path: str) -> Source:
    """A file of Docker's or another's, as ``profile import --cap docker --lossy`` reads it."""
    found = formats.import_(read_bytes(path), context(path, ("docker",)))
    count = len(found.losses)
    lost = f" (without {count} that a profile cannot say: see profile import)" if count else ""
    return _compiled(f"{path}{lost}", parse(found.text, path))._replace(profile=None)


def _compiled(label: str, profile: Profile) -> Source:
    program = filters.compile(profile).program()
    # What it does once the command has started; the secret would be another one each time.
    program = once.without_secret(program) or program
    return Source(label, (program,) if program else (), profile)


def _process(pid: int) -> Source:
    found = in_force.read(pid)
    if found.mode == "strict":
        raise FilterError(f"process {pid} is in strict mode, which has no filter to compare")
    return Source(f"process {pid}, {found.comm}", found.filters, None)
