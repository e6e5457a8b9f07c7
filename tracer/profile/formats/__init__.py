"""Profiles in the formats of others: a module a format, reading and writing side by side.

Between a format and a profile stands ``policy.Policy``. What is not said in it, or not in the
format, is a loss, which an error names unless it is accepted. Nothing here writes or loads
anything.
"""

from __future__ import annotations

import codecs
import importlib
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import ProfileError, UsageError
from tracer.profile import cubes
from tracer.profile.formats.compose import compose
from tracer.profile.formats.interface import Context, Source, hint, running_kernel
from tracer.profile.formats.lower import policy_of, without_the_unsaid
from tracer.profile.formats.policy import Remarks
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer.profile.formats.interface import Compiled, Format
    from tracer.profile.formats.policy import Policy
    from tracer.profile.machine import Program
    from tracer.profile.records import Profile

NAMES = ("bpf", "pfc", "oci", "spo", "systemd", "firejail", "minijail", "kafel")
"""The names of the modules here, in the order in which they look at a file."""
READ = ("bpf", "oci", "spo", "systemd", "firejail", "minijail")
"""Those of them that are read; the others are only written."""

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""A text begins so, and no filter: its first instruction would be none."""

__all__ = [
    "NAMES",
    "READ",
    "Context",
    "Exported",
    "Imported",
    "export",
    "from_filters",
    "import_",
    "running_kernel",
]


class Exported(NamedTuple):
    """A profile in a foreign format."""

    data: bytes
    notes: tuple[str, ...]
    losses: tuple[str, ...]
    """What the profile says and the file does not."""


class Imported(NamedTuple):
    """A foreign file as a profile."""

    text: str
    """TOML, valid."""
    format: str
    notes: tuple[str, ...]
    losses: tuple[str, ...]
    """What the profile does otherwise than the file."""


def export(profile: Profile, format_: str, compile_: Callable[[Profile], Compiled]) -> Exported:
    """The profile in a format. ``compile_`` gives the filter that libseccomp makes of a profile.

    Raises UsageError for a format that is not known or only read, ProfileError where it cannot say
    the profile at all.
    """
    found = _format(format_)
    if found.write is None:
        raise UsageError(f'--format: "{format_}" is only read; give another of {", ".join(NAMES)}')
    remarks = Remarks()
    said = without_the_unsaid(profile, found.keeps, remarks)
    data = found.write(Source(policy_of(said), lambda: compile_(said)), remarks)
    return Exported(data, tuple(remarks.notes), tuple(remarks.losses))


def import_(data: bytes, context: Context, format_: str | None = None) -> Imported:
    """The profile that a file says. ``format_`` None: by its name and content.

    Raises ProfileError, naming file, place and remedy, for what is no sound file of the format,
    UsageError for a format that is not known or only written.
    """
    found = _format(format_) if format_ else _recognised(data, context)
    if found.read is None:
        raise UsageError(
            f'--format: "{found.name}" is only written; give another of {", ".join(READ)}'
        )
    if data.startswith(_UTF_16):
        context.fail(None, "is UTF-16: save it as UTF-8")
    remarks = Remarks()
    try:
        policy = found.read(data, context, remarks)
    except cubes.TooMany:
        context.fail(None, "conditions that compare this much cannot be followed: compare fewer")
    except ValueError:  # of thousands of digits Python makes no number, of some dates no date
        context.fail(None, "has a number or a date that is none: no register is that wide")
    return _composed(policy, context, found.name, remarks)


def from_filters(
    filters: Sequence[Program], context: Context, *, exec_once: bool = False
) -> Imported:
    """The profile of filters that are in force together, the oldest first: at least one.

    ``exec_once``: they are of ``exec = "once"``, and without its secret.

    Raises FilterError and ProfileError for some that no profile can say.
    """
    from tracer.profile.formats import bpf

    remarks = Remarks()
    policy = bpf.of_filters(filters, context, remarks, exec_once=exec_once)
    return _composed(policy, context, bpf.FORMAT.name, remarks)


def _composed(policy: Policy, context: Context, format_: str, remarks: Remarks) -> Imported:
    text = compose(policy, context.path, remarks)
    return Imported(text, format_, tuple(remarks.notes), tuple(remarks.losses))


def _format(name: str) -> Format:
    if name not in NAMES:
        raise UsageError(printable(f'--format: unknown format "{name}"{hint(name, NAMES)}'))
    found: Format = importlib.import_module(f"tracer.profile.formats.{name}").FORMAT
    return found


def _recognised(data: bytes, context: Context) -> Format:
    for name in READ:
        found = _format(name)
        if found.looks_like(context.path, data):
            return found
    raise ProfileError(
        printable(
            f"{context.path}: of no format that is known here; give --format: {', '.join(READ)}"
        )
    )
