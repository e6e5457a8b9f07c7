"""Whether somebody has changed the resource limits of sbtrace while it ran: prlimit(2).

A target of the same user may, where no filter keeps it from that, and what sbtrace does then
fails in places that nothing else makes fail.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

_NAMES = sorted(
    name
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"  # NOFILE's old name
)
Limits = dict[str, tuple[int, int]]
"""Soft and hard limit by name."""


def own_limits() -> Limits:
    """Those of the calling process."""
    return {name: resource.getrlimit(getattr(resource, name)) for name in _NAMES}


def say_what_changed(before: Limits) -> bool:
    """Say on stderr which limits were lowered since; return whether any was.

    Nothing is opened, imported or kept in memory for it: any of these may fail by now.
    """
    lowered = [name for name, limit in own_limits().items() if _least(limit) < _least(before[name])]
    if lowered:
        with suppress(OSError):
            os.write(
                2,
                f"sbtrace: somebody lowered its own {', '.join(lowered)} while it ran: the command "
                "was ended with it; `sbtrace runs` takes in what was recorded until then, from the "
                "folder .spool beside the database, and lists it\n".encode(),
            )
    return bool(lowered)


def _least(limit: tuple[int, int]) -> float:
    return min(float("inf") if value == resource.RLIM_INFINITY else value for value in limit)
