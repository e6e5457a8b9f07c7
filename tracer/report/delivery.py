"""Where a run's summary goes: stderr or a file, as text or as JSON."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from tracer.errors import SbtraceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer.model import RunRecord
    from tracer.report.form import Page, Report
    from tracer.store.destination import Destination


class Delivery:
    """A place for the summary that was found good before the target started."""

    def __init__(
        self, place: Destination | None, *, as_json: bool, quiet: bool, verdict: bool = False
    ) -> None:
        """``place``: None for stderr. ``verdict``: in place of the summary."""
        self._place, self._as_json, self._quiet = place, as_json, quiet
        self._verdict = verdict

    @classmethod
    def open(
        cls,
        output: Path | None,
        database: Path | None,
        *,
        as_json: bool,
        quiet: bool,
        verdict: bool = False,
    ) -> Delivery:
        """Open ``output`` with the invoking user's rights; None: stderr.

        ``database`` is what must not be overwritten. Raises SbtraceError if the file cannot be
        written.
        """
        if output is None:
            return cls(None, as_json=as_json, quiet=quiet, verdict=verdict)
        from tracer.store.destination import Destination

        place = Destination.open(output, database)
        return cls(place, as_json=as_json, quiet=quiet, verdict=verdict)

    def write(self, record: RunRecord) -> None:
        """Give out the summary."""
        if self._place is not None or not self._quiet:
            self.give(self._text(record))

    def give(self, text: str) -> None:
        """Give out another text in its place."""
        if self._place is not None:
            self._save(self._place, text)
        else:
            _print(text)

    def tell(self, troubles: Sequence[str]) -> None:
        """Say on stderr, also if quiet, what went otherwise than promised."""
        for trouble in troubles:
            _print(f"sbtrace: {trouble}\n")

    def _text(self, record: RunRecord) -> str:
        from tracer.report import form

        return form.given(self._report(record), self.page(), as_data=self._as_json)

    def _report(self, record: RunRecord) -> Report:
        if self._verdict:
            from tracer.report import verdict

            return verdict.judge(record)
        from tracer.report.summary import Summary

        return Summary.of(record)

    def page(self) -> Page:
        """Columns of where it goes, and whether colours are wanted there."""
        from tracer.report import style
        from tracer.report.form import Page

        on_terminal = self._place is None and sys.stderr is not None and sys.stderr.isatty()
        width = _columns() if on_terminal else 80
        return Page(width, on_terminal and style.wants_colour(sys.stderr))

    def _save(self, place: Destination, text: str) -> None:
        try:
            with place.writing() as file:
                file.write(text.encode("utf-8", "backslashreplace"))
        except SbtraceError as error:
            _print(f"sbtrace: {error}\n")


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _print(text: str) -> None:
    """Write to stderr. If the terminal or pipe is gone, nobody could read it: that is no error."""
    with suppress(OSError, ValueError):
        stream = sys.stderr or io.StringIO()
        stream.write(text.encode("utf-8", "backslashreplace").decode())
        stream.flush()
