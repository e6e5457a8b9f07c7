"""Where a run's summary goes: stderr or a file, as text or as JSON."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from tracer.errors import SbtraceError
from tracer.identity import as_invoking_user

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer.model import BlockedCall, RunRecord


class Delivery:
    """A place for the summary that was found good before the target started."""

    def __init__(self, file: TextIO | None, *, as_json: bool, quiet: bool) -> None:
        self._file, self._as_json, self._quiet = file, as_json, quiet

    @classmethod
    def open(cls, output: Path | None, *, as_json: bool, quiet: bool) -> Delivery:
        """Open ``output`` with the invoking user's rights; None: stderr.

        Raises SbtraceError if the file cannot be written.
        """
        if output is None:
            return cls(None, as_json=as_json, quiet=quiet)
        try:
            with as_invoking_user():
                file = output.open("w", encoding="utf-8", errors="backslashreplace")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SbtraceError(
                f"{output}: cannot be written: {reason}: name another -o FILE"
            ) from error
        return cls(file, as_json=as_json, quiet=quiet)

    def write(self, record: RunRecord) -> None:
        """Give out the summary."""
        if not self._quiet or self._file is not None:
            text = self._text(record)
            if self._file is None:
                _print(text)
            else:
                self._save(text)

    def tell(self, troubles: Sequence[str]) -> None:
        """Say on stderr what kept the record from its place."""
        for trouble in troubles:
            _print(f"sbtrace: {trouble}\n")

    def _text(self, record: RunRecord) -> str:
        if self._as_json:
            from tracer.report import as_json

            return as_json.dumps(as_json.run_object(record, remedy_for(record)))
        from tracer.report import style, summary

        on_terminal = self._file is None and sys.stderr is not None and sys.stderr.isatty()
        width = _columns() if on_terminal else 80
        colour = on_terminal and style.wants_colour(sys.stderr)
        return summary.render(record, width, colour=colour, remedy=remedy_for(record))

    def _save(self, text: str) -> None:
        assert self._file is not None  # noqa: S101 - write() has looked
        try:
            with self._file as file:
                file.write(text)
        except OSError as error:
            _print(f"sbtrace: {self._file.name}: cannot be written: {error.strerror}\n")


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def remedy_for(record: RunRecord) -> Callable[[BlockedCall], str | None]:
    """Return what names the line that would allow a call, from the profile as the run had it."""
    from tracer import profile as profiles

    profile = profiles.parse(record.run.profile_source, record.run.profile_path)

    def remedy(call: BlockedCall) -> str | None:
        found = profiles.remedy(profile, call.abi, call.nr, call.args)
        return str(found) if found is not None else None

    return remedy


def _print(text: str) -> None:
    """Write to stderr; a terminal or pipe that went away is nobody's loss."""
    with suppress(OSError, ValueError):
        stream = sys.stderr or io.StringIO()
        stream.write(text.encode("utf-8", "backslashreplace").decode())
        stream.flush()
