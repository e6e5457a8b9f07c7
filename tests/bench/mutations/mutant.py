"""One small change of a source, as an edit of its text."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Edit(NamedTuple):
    """Replace ``text[start:end]``, in bytes, by ``new``."""

    start: int
    end: int
    new: bytes


class Mutant(NamedTuple):
    """A changed source."""

    key: str
    """The same as long as its line stays the same: what is known of it is kept by that."""
    path: str
    """Of the source, from the root of the checkout."""
    line: int
    before: str
    """The line as it is, without indentation."""
    after: str
    """The line as it is made, on one line; empty if nothing is left of it."""
    edit: Edit

    @property
    def what(self) -> str:
        """One line that says what is changed."""
        return f"{self.path}:{self.line}: `{self.before}` -> `{self.after}`"

    def apply(self, source: bytes) -> bytes:
        """Return the changed source."""
        return source[: self.edit.start] + self.edit.new + source[self.edit.end :]


def mutants(path: str, source: bytes, edits: Iterable[Edit]) -> list[Mutant]:
    """Give each edit of a source its name."""
    found, seen = [], dict[str, int]()
    for edit in sorted(set(edits)):
        first = source.rfind(b"\n", 0, edit.start) + 1
        line = _line(source, first, edit.start)
        after = _line(source[: edit.start] + edit.new + source[edit.end :], first, edit.start)
        at = edit.start - first - (len(line) - len(line.lstrip()))
        sign = f"{path}\0{line.strip()}\0{at}\0{edit.end - edit.start}\0{edit.new.decode()}"
        seen[sign] = seen.get(sign, 0) + 1
        key = hashlib.sha256(f"{sign}\0{seen[sign]}".encode()).hexdigest()[:12]
        number = source.count(b"\n", 0, edit.start) + 1
        found.append(Mutant(key, path, number, line.strip(), after.strip(), edit))
    return found


def _line(source: bytes, first: int, within: int) -> str:
    last = source.find(b"\n", within)
    return source[first : last if last >= 0 else None].decode()
