"""`sbtrace` beside `strace -f -c`, per syscall: `python -m tests.bench.equality [--json] [NAME…]`.

Two comparisons of each command, because some of what programs call differs from run to run:

- *together*: one execution under both (sbtrace runs strace, which runs the command). Both saw
  the same calls, so every syscall of these commands must have the same count.
- *apart*: each tool alone, some runs each. What is the same in all runs of both must be equal;
  what varies must be listed, with a reason, in tests/bench/commands.py.

Addresses are not randomised (setarch -R), as the heap's start decides how often it must grow.
Needs root and strace. The figures are calls that returned (strace leaves out the others) and,
of these, errors.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.commands import COMMANDS, LONG_AGO, Command
from tests.kernel import oracle
from tests.support import Sbtrace, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNS = 3
SBTRACE = Path(sys.executable).parent / "sbtrace"
FIXED_ADDRESSES = ("setarch", "-R")

Figure = tuple[int, int]
"""(calls that returned, errors)."""
Figures = dict[str, Figure]
"""By syscall; those of another ABI as ``i386:name``."""

_ALL = """
SELECT abi, name, sum(calls - unfinished)::BIGINT AS calls, sum(errors)::BIGINT AS errors
FROM syscalls WHERE run_id = (SELECT run_id FROM runs) {where} GROUP BY ALL
"""
# The command is the child of strace that came to exec, from its second image on; strace
# itself, its child before the execve, and the children it tries ptrace out on are not.
BELOW_STRACE = """
AND (process_id, image) IN (
    WITH RECURSIVE command AS (
        SELECT DISTINCT process_id FROM processes WHERE parent_id = 1 AND image > 0
        UNION
        SELECT p.process_id FROM processes p JOIN command c ON p.parent_id = c.process_id
    )
    SELECT p.process_id, p.image FROM processes p JOIN command USING (process_id)
    WHERE p.parent_id > 1 OR p.image > 0
)
"""


@dataclass(frozen=True)
class Row:
    """One syscall of one command."""

    syscall: str
    sbtrace: tuple[Figure, ...]
    """One figure a run."""
    strace: tuple[Figure, ...]

    @property
    def stable(self) -> bool:
        """Whether it is the same in all runs of each tool."""
        return len(set(self.sbtrace)) == len(set(self.strace)) == 1

    @property
    def equal(self) -> bool:
        """Whether both tools say the same, whatever the run."""
        return len({*self.sbtrace, *self.strace}) == 1


@dataclass(frozen=True)
class Comparison:
    """One command, by both tools."""

    command: Command
    how: str
    """``together`` or ``apart``."""
    rows: tuple[Row, ...]
    exact: bool
    """Whether sbtrace says of every run that nothing was lost."""

    @property
    def unequal(self) -> tuple[Row, ...]:
        """What must be equal and is not."""
        excused = self.command.varies if self.how == "apart" else {}
        return tuple(row for row in self.rows if not row.equal and row.syscall not in excused)

    @property
    def left_out(self) -> tuple[Row, ...]:
        """What differs from run to run, as was expected."""
        return tuple(row for row in self.rows if not row.equal and row not in self.unequal)


class Bench:
    """Runs commands, each time in a fresh copy of the same folder under the same path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._work = folder / "work"
        self._records = folder / "records"
        self._made: dict[str, Path] = {}

    def together(self, command: Command) -> Comparison:
        """One execution under both tools."""
        self._fresh(command)
        output = self._folder / "strace.txt"
        tracer = ("strace", "-f", "-o", output, *oracle.SUMMARY_OPTIONS, "--")
        mine, exact = self._sbtrace(command, (*tracer, *command.argv), BELOW_STRACE)
        theirs = _flat(oracle.parse_summary(output.read_text()))
        return Comparison(command, "together", _rows([mine], [theirs]), exact)

    def apart(self, command: Command, runs: int = RUNS) -> Comparison:
        """Each tool alone, ``runs`` times."""
        mine, theirs, exact = [], [], True
        for _ in range(runs):
            self._fresh(command)
            figures, said_exact = self._sbtrace(command, command.argv)
            mine.append(figures)
            exact = exact and said_exact
            self._fresh(command)
            theirs.append(self._strace(command))
        return Comparison(command, "apart", _rows(mine, theirs), exact)

    def _sbtrace(
        self, command: Command, argv: Sequence[str | Path], where: str = ""
    ) -> tuple[Figures, bool]:
        self._records.mkdir()
        try:
            sbtrace = Sbtrace(self._records, (*FIXED_ADDRESSES, SBTRACE))
            recorded = sbtrace.run(
                *argv, options=("--trace", "full"), cwd=self._work, env=command.env
            )
            figures = {
                key(row["abi"], row["name"]): (row["calls"], row["errors"])
                for row in sbtrace.sql(_ALL.format(where=where))
                if row["calls"]
            }
            lost = sbtrace.sql("SELECT * FROM losses WHERE collector = 'kernel'")
        finally:
            shutil.rmtree(self._records)
        return figures, recorded.record["exact"] is not None and not lost

    def _strace(self, command: Command) -> Figures:
        output = self._folder / "strace.txt"
        tracer = ("strace", "-f", "-o", output, *oracle.SUMMARY_OPTIONS, "--")
        # The same environment to the byte: perl, for one, copies it to the heap.
        run(
            (*FIXED_ADDRESSES, *tracer, *command.argv),
            cwd=self._work,
            env={**command.env, "SBTRACE_DB": str(self._records / "runs.duckdb")},
        )
        return _flat(oracle.parse_summary(output.read_text()))

    def _fresh(self, command: Command) -> None:
        if self._work.exists():
            shutil.rmtree(self._work)
        if command.make is None:
            self._work.mkdir()
            return
        made = self._made.get(command.make.__name__)
        if made is None:
            made = self._made[command.make.__name__] = self._folder / command.make.__name__
            made.mkdir()
            command.make(made)
            for path in sorted(made.rglob("*"), reverse=True):
                os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
        shutil.copytree(made, self._work, symlinks=True)


def key(abi: str, name: str) -> str:
    """How a syscall is named where tables of several ABIs meet."""
    return name if abi == "x86_64" else f"{abi}:{name}"


def _flat(abis: dict[str, dict[str, oracle.Tally]]) -> Figures:
    return {
        key(abi, name): (tally.calls, tally.errors)
        for abi, table in abis.items()
        for name, tally in table.items()
    }


def _rows(mine: list[Figures], theirs: list[Figures]) -> tuple[Row, ...]:
    names = sorted({name for figures in (*mine, *theirs) for name in figures})
    none = (0, 0)
    return tuple(
        Row(name, tuple(f.get(name, none) for f in mine), tuple(f.get(name, none) for f in theirs))
        for name in names
    )


def lines(comparison: Comparison) -> Iterator[str]:
    """The comparison as a table: what differs in full, the rest as a sum."""
    equal = [row for row in comparison.rows if row.equal]
    calls, errors = (sum(row.strace[0][i] for row in equal) for i in (0, 1))
    verdict = "DIFFERS" if comparison.unequal else "equal"
    yield (
        f"{comparison.command.name:26} {comparison.how:8} {verdict:8} {len(equal):3} syscalls, "
        f"{calls:,} calls, {errors:,} errors{'' if comparison.exact else '; NOT EXACT'}"
    )
    for row in (*comparison.unequal, *comparison.left_out):
        mark = "!" if row in comparison.unequal else " "
        both = f"sbtrace {_ranges(row.sbtrace)}, strace {_ranges(row.strace)}"
        yield f"  {mark} {row.syscall:18} {both}"
        if row in comparison.left_out:
            yield f"      not compared: {comparison.command.varies[row.syscall]}"


def _ranges(figures: Sequence[Figure]) -> str:
    calls, errors = ({figure[i] for figure in figures} for i in (0, 1))
    words = [f"{min(s)}" if len(s) == 1 else f"{min(s)}..{max(s)}" for s in (calls, errors)]
    return f"{words[0]}" + (f" ({words[1]} errors)" if words[1] != "0" else "")


def as_data(comparison: Comparison) -> dict[str, object]:
    """The comparison for JSON."""
    return {
        "command": comparison.command.name,
        "how": comparison.how,
        "equal": not comparison.unequal,
        "exact": comparison.exact,
        "syscalls": [
            {
                "name": row.syscall,
                "sbtrace": row.sbtrace,
                "strace": row.strace,
                "not_compared": comparison.command.varies.get(row.syscall)
                if row in comparison.left_out
                else None,
            }
            for row in comparison.rows
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these commands")
    parser.add_argument("--json", action="store_true", help="one JSON object a comparison")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"of each tool ({RUNS})")
    parser.add_argument("--only", choices=("together", "apart"))
    chosen = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="sbtrace-equality-") as folder:
        bench = Bench(Path(folder))
        for command in COMMANDS:
            if chosen.names and command.name not in chosen.names:
                continue
            if missing := command.missing():
                print(f"{command.name:26} skipped: there is no {missing}", file=sys.stderr)
                continue
            comparisons = []
            if chosen.only != "apart":
                comparisons.append(bench.together(command))
            if chosen.only != "together":
                comparisons.append(bench.apart(command, chosen.runs))
            for comparison in comparisons:
                failed = failed or bool(comparison.unequal) or not comparison.exact
                if chosen.json:
                    print(json.dumps(as_data(comparison)), flush=True)
                else:
                    print("\n".join(lines(comparison)), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
