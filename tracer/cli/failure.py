"""How a known error ends: in one line on stderr."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(message: object) -> None:
    """Say on stderr, in one line that a terminal obeys nothing of, why nothing was done."""
    from tracer.report.text import printable

    with suppress(OSError, ValueError):  # stderr may be closed
        print(f"sbtrace: {printable(str(message))}", file=sys.stderr)
