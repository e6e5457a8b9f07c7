"""What the verbs over recorded runs cost where there are 10,000 of them, as root.

    .venv/bin/python -m tests.bench.many_runs

Records ten runs of one command, has DuckDB copy them 1,000 times, and prints a Markdown table for
docs/evaluation.md: medians of three times.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb

RUNS, RECORDED, TIMES = 10_000, 10, 3
SBTRACE = Path(sys.executable).with_name("sbtrace")
COMMAND = ("sh", "-c", "ls / > /dev/null")
VERBS = (
    "runs",
    "show last",
    "compare command:ls,last:5~5 command:ls,last:5",
    "compare command:ls,last:5000~5000 command:ls,last:5000",
    "trend ls",
    "trend ls --syscall openat",
    "risk",
    "risk --command ls",
    "profile learn --command ls",
)
_COPY = """
    INSERT INTO {table} SELECT t.* REPLACE (copies.new AS run_id {also})
    FROM {table} AS t JOIN copies ON t.run_id = copies.old
"""


def fill(database: Path) -> None:
    """Record the runs, and copy them."""
    for _ in range(RECORDED):
        subprocess.run([SBTRACE, "run", "-q", "--db", database, *COMMAND], check=True)
    with duckdb.connect(database) as connection:
        connection.execute(
            "CREATE TEMP TABLE copies AS SELECT i, printf('%012x', i) AS new,"
            " (SELECT list(run_id) FROM runs)[1 + i % $1] AS old FROM range($2) AS t(i)",
            [RECORDED, RUNS - RECORDED],
        )
        found = connection.execute(
            "SELECT table_name FROM duckdb_columns() WHERE column_name = 'run_id'"
            " AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE NOT temporary)"
        ).fetchall()
        for (table,) in found:
            also = ", started_at - to_minutes(i::INT) AS started_at" if table == "runs" else ""
            connection.execute(_COPY.format(table=table, also=also))


def took_ms(database: Path, verb: str) -> float:
    """How long a verb takes from its start to its end."""
    begun = time.monotonic()
    words = [SBTRACE, *verb.split(), "--db", database]
    subprocess.run(words, check=True, capture_output=True)
    return (time.monotonic() - begun) * 1000


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-", dir=Path.home()) as folder:
        database = Path(folder) / "many.duckdb"
        fill(database)
        size = database.stat().st_size / 2**20
        print(f"{RUNS:,} runs, {size:.0f} MiB\n\n| verb | ms |\n|---|---|")
        for verb in VERBS:
            times = [took_ms(database, verb) for _ in range(TIMES)]
            print(f"| `{verb}` | {median(times):,.0f} |", flush=True)


if __name__ == "__main__":
    main()
