"""Saved queries: one .sql file each, whose header says what it answers and what it takes.

The header is the comment lines at the top of the file::

    -- Purpose: The syscalls of a run that were called most.
    -- Param run (run) = last: which run
    -- Param limit (integer) = 20: how many rows
    -- Units: total_ns and avg_ns in nanoseconds
    -- Table: name, calls, total_ns as time, argv cut

``Table`` names the columns that a table shows, where 80 columns of a terminal have no room for all
of them. A column with ``cut`` is cut off where it is too wide. Other formats have all columns.
A parameter without ``= default`` must be given. A ``run`` is given as a run_id, a unique
prefix of one, ``last`` or ``last~N``.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from tracer import resources
from tracer.errors import QueryError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["run", "integer", "number", "text"]
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""What is looked up as the name of a saved query; anything else is SQL."""
_PARAM = re.compile(r"(\w+) \((\w+)\)(?: = (.*?))?: (.+)")
_SHOWN = re.compile(r"(\w+)(?: as (\w+))?( cut)?")


@dataclass(frozen=True, slots=True)
class Shown:
    """A column that a table for eyes has."""

    column: str
    title: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a saved query, ``$name`` in its SQL."""

    name: str
    kind: Kind
    default: str | None
    """As it would be given with --param; None if it must be given."""
    meaning: str


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A query of ``queries/``."""

    name: str
    purpose: str
    parameters: tuple[Parameter, ...]
    units: str
    table: tuple[Shown, ...]
    """Empty: all columns."""
    sql: str


def all_queries() -> list[SavedQuery]:
    """Return the saved queries by name. Raises QueryError if one cannot be read."""
    return [_read(path) for path in sorted(resources.queries_dir().glob("*.sql"))]


def find(name: str) -> SavedQuery:
    """Return the saved query ``name``. Raises QueryError, with the names that are close."""
    path = resources.queries_dir() / f"{name}.sql"
    if NAME.fullmatch(name) and path.is_file():
        return _read(path)
    names = [query.name for query in all_queries()]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "`sbtrace query --list` names them"
    raise QueryError(f"query {name!r}: there is no saved query of that name: {hint}")


def _read(path: Path) -> SavedQuery:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"{path}: cannot be read: {error}: install sbtrace again") from error
    header = {"Purpose": "", "Units": "", "Table": ""}
    parameters = []
    for line in text.splitlines():
        if not line.startswith("-- "):
            break
        key, _, value = line.removeprefix("-- ").partition(": ")
        if key.startswith("Param "):
            parameters.append(_parameter(path, line.removeprefix("-- Param ")))
        elif key in header:
            header[key] = value
    shown = _table(path, header["Table"])
    return SavedQuery(path.stem, header["Purpose"], tuple(parameters), header["Units"], shown, text)


def _table(path: Path, text: str) -> tuple[Shown, ...]:
    shown = []
    for part in text.split(", ") if text else ():
        match = _SHOWN.fullmatch(part)
        if match is None:
            raise QueryError(f"{path}: header {part!r}: write COLUMN [as TITLE] [cut]")
        column, title, cut = match.groups()
        shown.append(Shown(column, title or column, cut is not None))
    return tuple(shown)


def _parameter(path: Path, text: str) -> Parameter:
    match = _PARAM.fullmatch(text)
    if match is None or match.group(2) not in get_args(Kind):
        raise QueryError(f"{path}: header {text!r}: write NAME (KIND) = DEFAULT: MEANING")
    name, kind, default, meaning = match.groups()
    return Parameter(name, cast("Kind", kind), default, meaning)
