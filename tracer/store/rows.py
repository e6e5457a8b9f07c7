"""Rows of a query as plain Python values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TC002 - the package, at run time: it gives a connection its `sql`

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_INSTANT = "TIMESTAMP WITH TIME ZONE"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INFINITE = 2**63 - 1
_CYCLE_US = 146097 * 86400 * 10**6  # 400 years, after which the calendar repeats itself
_AT_ONCE = 250  # a row may be large


@dataclass(frozen=True, slots=True)
class ResultRows:
    """The result of a query, fetched as it is iterated; it can be iterated once."""

    columns: tuple[str, ...]
    fetch: Callable[[], Sequence[Sequence[Any]]]
    """Returns the next rows; none at the end."""
    instants: frozenset[int]
    """Indices of the columns that come as microseconds since 1970."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """The rows as they are fetched, some at once."""
        while chunk := self.fetch():
            yield [self._row(row) for row in chunk] if self.instants else list(map(tuple, chunk))

    def _row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            _instant(value) if index in self.instants else value for index, value in enumerate(row)
        )


def select(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    params: Mapping[str, object] | Sequence[object] = (),
) -> ResultRows:
    """Run one statement that gives rows. Raises duckdb.Error, also while iterated.

    A TIMESTAMPTZ comes as an aware datetime in UTC. DuckDB itself would need the package
    pytz for that, so the column is asked for in microseconds.
    """
    probe = connection.cursor()
    relation = probe.sql(sql, params=params or None)
    columns = tuple(relation.columns)
    kinds = [str(kind) for kind in relation.types]
    probe.close()
    instants = frozenset(index for index, kind in enumerate(kinds) if kind == _INSTANT)
    if any(_INSTANT in kind for kind in kinds):
        shown = ", ".join(_expression(index, kind) for index, kind in enumerate(kinds, start=1))
        sql = f"SELECT {shown} FROM (\n{sql.strip().rstrip(';')}\n)"  # noqa: S608 - the caller's own SQL
    result = connection.execute(sql, params or None)
    return ResultRows(columns, lambda: result.fetchmany(_AT_ONCE), instants)


def _expression(index: int, kind: str) -> str:
    if kind == _INSTANT:
        endless = f"CASE WHEN #{index} > TIMESTAMPTZ 'epoch' THEN {_INFINITE} ELSE -{_INFINITE} END"
        return f"CASE WHEN isinf(#{index}) THEN {endless} ELSE epoch_us(#{index}) END"
    return f"#{index}::VARCHAR" if _INSTANT in kind else f"#{index}"


def _instant(value: int | None) -> datetime | str | None:
    """An instant; as text where Python's calendar, which ends with the year 9999, has none."""
    if value is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        if abs(value) == _INFINITE:
            return "infinity" if value > 0 else "-infinity"
        cycles, rest = divmod(value, _CYCLE_US)
        alike = _EPOCH + timedelta(microseconds=rest)
        return f"{alike.year + 400 * cycles}-{alike:%m-%dT%H:%M:%S.%f}Z"
