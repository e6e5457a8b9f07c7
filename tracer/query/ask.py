"""Ask the database one question, by SQL or by the name of a saved query."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.errors import QueryError
from tracer.query import saved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracer.store.destination import Destination
    from tracer.store.reader import Reader
    from tracer.store.writer import Waiting

MEMORY = "1GB"
"""What a query may use of memory unless told otherwise."""
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and within which bounds."""

    text: str
    """SQL, or the name of a saved query."""
    given: Mapping[str, str]
    """Parameter -> its value, as text."""
    timeout_s: float | None = None
    """None: no limit."""
    memory: str = MEMORY


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query. ``rows`` can be iterated once, while ``asking`` lasts."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    waiting: tuple[Waiting, ...]
    """Runs that are recorded but not in the database yet."""


def parse_params(pairs: list[str]) -> dict[str, str]:
    """Return ``K=V`` pairs as a mapping. Raises QueryError."""
    params = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise QueryError(f"--param {pair!r}: give it as NAME=VALUE")
        if any("\ud800" <= char <= "\udfff" for char in value):  # DuckDB takes UTF-8 alone
            raise QueryError(f"--param {pair!r}: the value is not valid UTF-8")
        params[name] = value
    return params


@contextmanager
def asking(database: Path, question: Question) -> Iterator[Answer]:
    """Run the question. Raises QueryError, RunNotFound, StoreError, KeyboardInterrupt."""
    from tracer.store import guarded

    with ExitStack() as stack:
        sql = _sql(question)
        reader = stack.enter_context(guarded.guarded_reader(database, memory=question.memory))
        stack.enter_context(guarded.running(reader, question.timeout_s))
        rows = guarded.rows(reader, sql, _bind(reader, question, guarded.check(sql)))
        yield Answer(rows.columns, iter(rows), reader.waiting)


def to_parquet(database: Path, question: Question, place: Destination) -> None:
    """Run the question into a Parquet file. Raises what ``asking`` does, and SbtraceError."""
    from tracer.store import guarded

    with ExitStack() as stack:
        sql = _sql(question)
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sbtrace-")))
        reader = stack.enter_context(
            guarded.guarded_reader(database, memory=question.memory, exports=private)
        )
        with guarded.running(reader, question.timeout_s):
            made = private / "result.parquet"
            guarded.write_parquet(reader, sql, _bind(reader, question, guarded.check(sql)), made)
        with made.open("rb") as source, place.writing() as file:
            shutil.copyfileobj(source, file)


def _sql(question: Question) -> str:
    text = question.text.strip()
    return saved.find(text).sql if saved.NAME.fullmatch(text) else text


def _bind(reader: Reader, question: Question, wanted: set[str]) -> dict[str, object]:
    """Return the value of each parameter, in the type that it is declared with."""
    text = question.text.strip()
    declared = saved.find(text).parameters if saved.NAME.fullmatch(text) else ()
    kinds = {parameter.name: parameter.kind for parameter in declared}
    given = {
        **{item.name: item.default for item in declared if item.default is not None},
        **question.given,
    }
    if unknown := sorted(given.keys() - wanted):
        names = ", ".join(sorted(wanted)) or "none"
        raise QueryError(f"--param {unknown[0]}: the query has no such parameter ({names})")
    if missing := sorted(wanted - given.keys()):
        raise QueryError(f"query: parameter {missing[0]} is missing: --param {missing[0]}=VALUE")
    return {
        name: _value(reader, name, value, kinds.get(name, _guess(name, value)))
        for name, value in given.items()
    }


def _guess(name: str, value: str) -> saved.Kind:
    """Return the kind of a parameter of SQL that declares none."""
    if name == "run" or name.startswith("run_"):
        return "run"
    return "integer" if _INTEGER.fullmatch(value) else "text"


def _value(reader: Reader, name: str, value: str, kind: saved.Kind) -> object:
    try:
        match kind:
            case "run":
                return reader.resolve(value)
            case "integer" if _INTEGER.fullmatch(value):
                return int(value)
            case "number":
                return float(value)
            case "text":
                value.encode()  # bytes that are not UTF-8 are stored as escapes, never as they are
                return value
    except ValueError:
        pass
    raise QueryError(
        f"--param {name}={value!r}: is not {'an' if kind == 'integer' else 'a'} {kind}"
    )
