"""Errors of a profile that name its file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import ProfileError
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.profile.lines import Lines


class Where(NamedTuple):
    """The file that is being read, with the means to say where in it something stands."""

    path: str
    lines: Lines

    def error(self, line: int | None, message: str) -> ProfileError:
        """``path:line: message``, for the caller to raise; control characters are escaped."""
        place = f"{self.path}:{line}" if line else self.path
        return ProfileError(printable(f"{place}: {message}"))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean "x"?)``, or nothing where no known word is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
