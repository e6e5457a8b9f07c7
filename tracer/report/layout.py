"""Labels at the left, folded text at the right: the shape of the summary and of ``why``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tracer.report.text import cell_width, printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable

_INDENT = "  "
_NARROWEST = 20


class Sheet:
    """Collects lines. Every text is made printable here or by who gives it; colour comes after."""

    def __init__(self, width: int, label_width: int) -> None:
        self._width = width
        self._label_width = label_width
        self._lines: list[str] = []

    def line(self, text: str = "") -> None:
        """One line as it is; it may hold colour."""
        self._lines.append(text.rstrip())

    def field(self, label: str, text: str, mark: Callable[[str], str] = str) -> None:
        """A label and a text, which is folded at blanks to the width, under itself.

        ``mark`` colours the label.
        """
        lead = f"{_INDENT}{label:<{self._label_width}}{_INDENT}"
        first, *rest = self._fold(printable_lines(text), self._width - len(lead))
        self.line(lead.replace(label, mark(label), 1) + first if label else lead + first)
        for piece in rest:
            self.line(" " * len(lead) + piece)

    def block(self, text: str) -> None:
        """Ready lines, such as a table's, indented."""
        for row in text.splitlines():
            self.line(_INDENT + row)

    def text(self) -> str:
        """All lines, each ended by a line feed."""
        return "".join(f"{line}\n" for line in self._lines)

    def _fold(self, text: str, room: int) -> list[str]:
        if cell_width(text) <= room:
            return [text]
        # A long path or command stays in one piece, so that it can be copied.
        return textwrap.wrap(
            text, max(room, _NARROWEST), break_long_words=False, break_on_hyphens=False
        ) or [""]
