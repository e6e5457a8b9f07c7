"""Ask the database one question, by SQL or by the name of a saved query."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tracer.errors import QueryError, UsageError
from tracer.query import bounded, saved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracer.query.bounded import Send
    from tracer.store.destination import Destination
    from tracer.store.intake import Waiting
    from tracer.store.reader import Reader

MEMORY = "1GB"
"""What a query may use of memory unless told otherwise."""
_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([KMGT]?)(i?)B?", re.IGNORECASE)
_LEAST_BYTES, _MOST_BYTES = 10**6, 1 << 60
_AT_LEAST_S = 0.001
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
    cut: frozenset[str] = frozenset()
    """Columns that a table cuts off where they are too wide."""


def parse_params(pairs: list[str]) -> dict[str, str]:
    """Return ``K=V`` pairs as a mapping. Raises UsageError."""
    params = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"--param {pair!r}: give it as NAME=VALUE")
        if any("\ud800" <= char <= "\udfff" for char in value):  # DuckDB takes UTF-8 alone
            raise UsageError(f"--param {pair!r}: the value is not valid UTF-8")
        params[name] = value
    return params


class _Head(NamedTuple):
    """The first that a child sends."""

    columns: tuple[str, ...]
    waiting: tuple[Waiting, ...]


def limits(question: Question) -> bounded.Limits:
    """Return the bounds of a question as numbers. Raises UsageError, QueryError."""
    seconds = question.timeout_s
    if seconds is not None and not _AT_LEAST_S <= seconds <= bounded.LONGEST_S:
        raise UsageError(
            f"--timeout {seconds:g}: give seconds from {_AT_LEAST_S:g} to {bounded.LONGEST_S:.0f},"
            " or leave it away for no limit"
        )
    return bounded.Limits(_parse_bytes(question.memory), seconds)


def _parse_bytes(text: str) -> int:
    if match := _BYTES.fullmatch(text.strip()):
        number, prefix, binary = match.groups()
        base = 1024 if binary else 1000
        size = int(float(number) * base ** " KMGT".index(prefix.upper() or " "))
        if size >= _LEAST_BYTES:
            return min(size, _MOST_BYTES)
    raise UsageError(f"--memory {text!r}: give a size from 1MB up, such as 500MB or 2GiB")


@contextmanager
def asking(database: Path, question: Question) -> Iterator[Answer]:
    """Run the question in a bounded child, whose rows come as they are made.

    Raises QueryError, UsageError, RunNotFound, StoreError, KeyboardInterrupt, on entry or while
    the rows are iterated.
    """
    bounds, sql = limits(question), _sql(question)

    def work(send: Send) -> None:
        _answer(database, question, sql, bounds, send)

    with bounded.stream(work, bounds) as items:
        head = cast("_Head", next(items))
        batches = cast("Iterator[list[tuple[Any, ...]]]", items)
        yield Answer(head.columns, (row for batch in batches for row in batch), head.waiting)


def as_table(question: Question, answer: Answer) -> Answer:
    """Return what a table for a person shows: for a saved query, the columns that it names."""
    text = question.text.strip()
    shown = saved.find(text).table if _is_saved(question) else ()
    if not shown:
        return answer
    at = [answer.columns.index(item.column) for item in shown]
    return replace(
        answer,
        columns=tuple(item.title for item in shown),
        rows=(tuple(row[index] for index in at) for row in answer.rows),
        cut=frozenset(item.title for item in shown if item.is_cut),
    )


def _answer(
    database: Path, question: Question, sql: str, bounds: bounded.Limits, send: Send
) -> None:
    """What the child does: the head first, then batches of rows."""
    from tracer.store import read_only

    with (
        read_only.translated(),
        read_only.guarded_reader(
            database, bounds.memory_bytes, as_made=_is_saved(question)
        ) as reader,
        bounded.telling(send),
        read_only.translated(),
    ):
        bounded.restrict(bounds)
        found = read_only.rows(reader, sql, _bind(reader, question, read_only.check(reader, sql)))
        send(_Head(found.columns, reader.waiting))
        for batch in found.batches():
            send(batch)


def to_parquet(database: Path, question: Question, place: Destination) -> None:
    """Run the question into a Parquet file. Raises what ``asking`` does, and SbtraceError."""
    bounds, sql = limits(question), _sql(question)
    with ExitStack() as stack:
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sbtrace-")))
        made = private / "result.parquet"

        def work(send: Send) -> None:
            _write_parquet(database, question, sql, bounds, made, send)

        list(stack.enter_context(bounded.stream(work, bounds)))
        with made.open("rb") as source, place.writing() as file:
            shutil.copyfileobj(source, file)


def _write_parquet(
    database: Path, question: Question, sql: str, bounds: bounded.Limits, made: Path, send: Send
) -> None:
    from tracer.store import read_only

    with (
        read_only.translated(),
        read_only.guarded_reader(
            database, bounds.memory_bytes, as_made=_is_saved(question), exports=made.parent
        ) as reader,
        bounded.telling(send),
        read_only.translated(),
    ):
        bounded.restrict(bounds)
        read_only.write_parquet(
            reader, sql, _bind(reader, question, read_only.check(reader, sql)), made
        )


def _is_saved(question: Question) -> bool:
    return saved.NAME.fullmatch(question.text.strip()) is not None


def _sql(question: Question) -> str:
    text = question.text.strip()
    return saved.find(text).sql if _is_saved(question) else text


def _bind(reader: Reader, question: Question, wanted: set[str]) -> dict[str, object]:
    """Return the value of each parameter, in the type that it is declared with."""
    text = question.text.strip()
    declared = saved.find(text).parameters if _is_saved(question) else ()
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
