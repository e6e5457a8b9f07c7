"""sbtrace itself failed: one line on stderr that says what happened.

Either memory ran out, or somebody lowered its resource limits, or there is an error in its code.
Nothing is opened, imported or kept in memory for the line: any of these may fail by then.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

_MOST_CHARACTERS = 200
_NO_MEMORY = (
    b"sbtrace: it got no more memory while it ran: look at the limit on memory (ulimit -v), which "
    b"a target of the same user can lower: the command was ended with it; `sbtrace runs` takes in "
    b"what was recorded until then, from the folder .spool beside the database, and lists it\n"
)
"""Made before it is needed, as nothing can be made then."""
_LIMITS = sorted(
    name
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"  # NOFILE's old name
)
Limits = dict[str, tuple[int, int]]
"""Soft and hard limit by name."""


def say_no_memory() -> None:
    """Say on stderr that there was none left, not even for another word about it."""
    with suppress(OSError):
        os.write(2, _NO_MEMORY)


def say_fault(error: BaseException) -> None:
    """Say on stderr what nobody had reckoned with."""
    with suppress(OSError):  # stderr may be closed
        os.write(
            2,
            f"sbtrace: a fault of its own, {_cut(error)}{_where(error)}: a command that had begun "
            "was ended with it; what was recorded until then is in `sbtrace runs`: report it, "
            "please\n".encode("utf-8", "backslashreplace"),
        )


def _cut(error: BaseException) -> str:
    """``error`` as a line that a terminal obeys nothing of: repr escapes what is not printable."""
    said = " ".join(repr(error).splitlines())
    return said if len(said) <= _MOST_CHARACTERS else said[: _MOST_CHARACTERS - 1] + "…"


def _where(error: BaseException) -> str:
    """`` at module:line``, of the innermost frame that is sbtrace's own."""
    found, step = "", error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == __name__.partition(".")[0]:
            found = f" at {module}:{step.tb_lineno}"
        step = step.tb_next
    return found


def own_limits() -> Limits:
    """The limits of the calling process."""
    return {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS}


def say_lowered_limits(before: Limits) -> bool:
    """Say on stderr which of sbtrace's limits were lowered since; return whether any was.

    A target of the same user may lower them where no filter forbids it (prlimit(2)). Calls of
    sbtrace then fail at places where nothing else makes them fail.
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
