"""What a start of `sbtrace run` does not import: each would cost every run some milliseconds."""

from __future__ import annotations

import subprocess
import sys

SUPERVISOR = (
    *("tracer.cli.supervise", "tracer.report.delivery", "tracer.report.live"),
    *("tracer.session.request", "tracer.session.run", "tracer.collectors.kernel"),
)
"""What the process that runs the target imports beforehand."""
NEEDLESS = (
    *("bcc", "dataclasses", "duckdb", "elftools", "inspect", "platform", "psutil", "random"),
    *("secrets", "shutil", "subprocess", "tempfile", "typer"),
)


def test_a_start_imports_nothing_that_most_runs_do_without() -> None:
    """Beyond what the interpreter's own start has imported, which is the installation's affair."""
    code = (
        f"import sys; before = set(sys.modules); import {', '.join(SUPERVISOR)}; "
        f"print(sorted(set({NEEDLESS}) & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
