"""Colour for terminals, by a few escapes; none in a pipe, with NO_COLOR or on a dumb one."""

from __future__ import annotations

import os
from typing import NamedTuple, TextIO


class Style(NamedTuple):
    """Marks text; every method gives the text unchanged when ``colour`` is off."""

    colour: bool

    def strong(self, text: str) -> str:
        """What the eye should find first."""
        return self._mark("1", text)

    def good(self, text: str) -> str:
        """It went well."""
        return self._mark("32", text)

    def bad(self, text: str) -> str:
        """It failed, or was refused."""
        return self._mark("1;31", text)

    def warn(self, text: str) -> str:
        """Something is missing."""
        return self._mark("33", text)

    def faint(self, text: str) -> str:
        """Labels and hints."""
        return self._mark("2", text)

    def _mark(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text


def wants_colour(stream: TextIO) -> bool:
    """Whether to colour what goes to ``stream`` (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
