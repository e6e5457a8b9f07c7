"""What the imports of a start cost, each alone in a new interpreter: the fastest of ten.

.venv/bin/python -m tests.bench.import_cost
"""

from __future__ import annotations

import subprocess
import sys

ROUNDS = 10
IMPORTS = {
    "nothing": "pass",
    "typer": "import typer",
    "duckdb, the package": "import duckdb",
    "duckdb, its extension alone": "from tracer.store.engine import duckdb",
    "a session": "import tracer.session.run, tracer.session.request, tracer.collectors.kernel",
    "bcc": "import bcc",
}
_TIMED = """
import time
before = time.perf_counter()
{}
print((time.perf_counter() - before) * 1e3)
"""


def milliseconds(statement: str) -> float:
    """Return what ``statement`` takes in an interpreter that has imported nothing for it yet."""
    command = [sys.executable, "-c", _TIMED.format(statement)]
    times = [
        float(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(ROUNDS)
    ]
    return min(times)


if __name__ == "__main__":
    for name, statement in IMPORTS.items():
        print(f"{name:<28} {milliseconds(statement):6.1f} ms")
