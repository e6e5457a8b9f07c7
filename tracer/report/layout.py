"""Labels at the left, folded text at the right: the shape of the summary and of ``why``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tracer.text import cell_width, printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable

_INDENT = "  "
_NARROWEST = 20
_TIE = "\ufdd0"
"""A blank that no line is broken at; Unicode has no character there."""


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

    def paragraph(self, text: str) -> None:
        """A text that is folded at blanks to the width, indented twice."""
        for piece in self._fold(printable_lines(text), self._width - 2 * len(_INDENT)):
            self.line(2 * _INDENT + piece)

    def command(self, text: str) -> None:
        """A command line to be copied: under the last field, and never folded."""
        self.line(" " * (len(_INDENT) * 2 + self._label_width) + printable_lines(text))

    def block(self, text: str) -> None:
        """Ready lines, such as a table's, indented."""
        for row in text.splitlines():
            self.line(_INDENT + row)

    def text(self) -> str:
        """All lines, each ended by a line feed."""
        return "".join(f"{line}\n" for line in self._lines)

    def _fold(self, text: str, room: int) -> list[str]:
        pieces = [piece for line in text.split("\n") for piece in _fold_line(line, room)]
        return [piece.replace(_TIE, " ") for piece in pieces]


def _fold_line(line: str, room: int) -> list[str]:
    if cell_width(line) <= room:
        return [line]
    # A long path or command stays in one piece, so that it can be copied.
    return textwrap.wrap(
        line, max(room, _NARROWEST), break_long_words=False, break_on_hyphens=False
    ) or [""]


def tied(text: str) -> str:
    """``text`` as one word to ``Sheet.field``: a command that is to be copied is not folded."""
    return text.replace(" ", _TIE)
