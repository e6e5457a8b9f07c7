"""The form that every report has: its data first, and each way to give it out made of them.

A report is made once, of what was found. ``text`` and ``data`` then say the same: what a person
reads is laid out of what a program gets. A third way, such as HTML, is a third method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from tracer.report import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping


class Page(NamedTuple):
    """What a text is laid out for."""

    width: int | None = 80
    """Columns; None: as many as it takes, and nothing is cut off."""
    colour: bool = False
    whole: bool = False
    """Also what is left out for most readers."""
    plain: bool = False
    """Only characters of ASCII are drawn with."""

    @property
    def columns(self) -> int:
        """Columns for what is wrapped in any case."""
        return 80 if self.width is None else self.width


PLAIN = Page()


class Report(Protocol):
    """What a verb found, ready to be given out."""

    def text(self, page: Page) -> str:
        """For a person: lines of at most ``page.width`` columns where their words allow it."""

    def data(self) -> Mapping[str, object]:
        """For a program: the keys of docs/json.md; None where something is not known."""


def given(report: Report, page: Page, *, as_data: bool) -> str:
    """The report as JSON, or as text for ``page``."""
    return as_json.dumps(report.data()) if as_data else report.text(page)
