"""How a known error ends: in one line on stderr."""

from __future__ import annotations

import re
import sys
from contextlib import suppress

_LONG = re.compile(r"\S{401,}")
"""A word that nobody reads, such as a number of thousands of digits; most paths are shorter."""
_KEPT = 60


def say(message: object) -> None:
    """Say on stderr, in one line that a terminal obeys nothing of, why nothing was done."""
    from tracer.text import printable

    with suppress(OSError, ValueError):  # stderr may be closed
        print(f"sbtrace: {printable(_LONG.sub(_shortened, str(message)))}", file=sys.stderr)


def _shortened(match: re.Match[str]) -> str:
    word = match[0]
    return f"{word[:_KEPT]}…{word[-_KEPT:]} ({len(word):,} characters)"
