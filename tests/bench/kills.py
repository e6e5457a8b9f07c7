"""Kill a writer of the database at every one of its writes, and the next one at every one of its.

Every death must leave a database that is whole, with every run that had been recorded. Where
`make test` tries one take-in, this tries first ones, large ones, pruning and migrating, each
write cut at several places, and after each of these deaths every write of who comes next.
With ``--bare`` nothing is put back after a death: that some then lose something shows that these
are the deaths that matter.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests import killed, support
from tests.unit.store.records import a_record, a_sample
from tests.unit.store.test_spool import finished
from tests.unit.store.test_take_in import JUDGED, of_version_1
from tracer.errors import StoreError
from tracer.store import schema, undo
from tracer.store.intake import take_in
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (0, 4096, 131072, 262143)
"""How much of a write is let through. A block has 262,144 bytes."""
SECOND_SIZES = (4096,)
"""The same for a second death."""
LARGE = 300_000
"""Samples of a run that DuckDB writes to the file before it is committed."""


class Case(NamedTuple):
    """Something that is done to a database."""

    name: str
    doing: str
    make: Callable[[Path], int]
    """Makes the database before; returns how many runs are in it once it is done."""


class Failure(NamedTuple):
    """A death after which something was lost."""

    case: str
    kills: tuple[tuple[int, int], ...]
    """(write, bytes of it) each."""
    what: str


def _waits(path: Path, samples: int = 3) -> None:
    record = a_record(0)
    finished(path, record._replace(samples=tuple(a_sample(at_ns) for at_ns in range(samples))))


def _first(path: Path) -> int:
    _waits(path)
    return 1


def _another(path: Path) -> int:
    for _ in range(3):
        _waits(path)
        take_in(path)
    _waits(path)
    return 4


def _large(path: Path) -> int:
    for samples in (3, LARGE, 3):
        _waits(path, samples)
        take_in(path)
    _waits(path, LARGE)
    return 4


def _several(path: Path) -> int:
    _another(path)
    for _ in range(4):
        _waits(path)
    return 8


def _pruned(path: Path) -> int:
    _another(path)
    take_in(path)
    return 1


def _older(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True)
    of_version_1(path)
    return len(JUDGED)


CASES = (
    Case("a first run", "take_in", _first),
    Case("another run", "take_in", _another),
    Case("five runs", "take_in", _several),
    Case("a large run", "take_in", _large),
    Case("pruning", "prune", _pruned),
    Case("migrating", "upgrade", _older),
)


def try_each(
    case: Case, kill: killed.Killed, folder: Path, *, twice: bool
) -> Iterator[tuple[int, Failure | None]]:
    """Yield how many deaths there were, and what one of them lost, for each that was tried."""
    before, now = folder / "before" / "sb.duckdb", folder / "now" / "sb.duckdb"
    after, then = folder / "after" / "sb.duckdb", folder / "then" / "sb.duckdb"
    runs = case.make(before)
    for one in _deaths(case, kill, before, now, SIZES):
        yield 1, _lost(case, (one,), killed.copy(now, after), runs)
        if not twice:
            continue
        for other in _deaths(case, kill, killed.copy(now, after), then, SECOND_SIZES):
            yield 2, _lost(case, (one, other), then, runs)


def _deaths(
    case: Case, kill: killed.Killed, before: Path, now: Path, sizes: tuple[int, ...]
) -> Iterator[tuple[int, int]]:
    """Yield (write, bytes of it) of each death of who does it; ``now`` is what that one leaves."""
    writes = kill(case.doing, killed.copy(before, now)) or 0
    for number in range(1, writes + 1):
        for size in sizes:
            if kill(case.doing, killed.copy(before, now), number, size) is None:
                yield number, size


def _lost(
    case: Case, kills: tuple[tuple[int, int], ...], database: Path, runs: int
) -> Failure | None:
    try:
        with Reader(database) as reader:
            for table in schema.TABLES:
                reader.execute(f"SELECT * FROM {table}")  # noqa: S608 - a table of ours
            [(found,)] = reader.execute("SELECT count(*) FROM runs")
            waiting = reader.waiting
    except StoreError as error:
        return Failure(case.name, kills, str(error))
    wrong = found < runs or waiting or undo.is_left(database)
    return Failure(case.name, kills, f"{found} of {runs} runs, {waiting}") if wrong else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="make kills", description=__doc__.partition("\n")[0])
    parser.add_argument("--once", action="store_true", help="no second death after each")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--bare", action="store_true", help="put nothing back; some must lose")
    chosen = parser.parse_args()
    if chosen.bare:
        undo._mend = _leave_as_it_is
    failed = False
    with tempfile.TemporaryDirectory(dir=killed.IN_MEMORY) as made:
        folder = Path(made)
        (folder / "fallback").mkdir(mode=0o700)
        os.environ["TMPDIR"] = os.fspath(folder / "fallback")
        programs = support.build_programs(folder / "programs")
        with killed.Killed(programs["die_writing.so"]) as kill:
            for case in CASES:
                if not chosen.case or case.name in chosen.case:
                    failed |= _report(case, kill, folder / case.name, twice=not chosen.once)
    return int(failed != chosen.bare)


def _leave_as_it_is(database: Path, _at: int) -> None:
    """In the place of ``undo._mend``: what was kept is dropped."""
    undo.forget(database)


def _report(case: Case, kill: killed.Killed, folder: Path, *, twice: bool) -> bool:
    tried = {1: 0, 2: 0}
    failures = []
    for deaths, failure in try_each(case, kill, folder, twice=twice):
        tried[deaths] += 1
        if failure:
            failures.append(failure)
            print(failure, file=sys.stderr, flush=True)
    second = f" and {tried[2]:,} second ones" if twice else ""
    print(f"{case.name}: {tried[1]:,} deaths{second}: {len(failures)} lost something", flush=True)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
