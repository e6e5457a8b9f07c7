"""A plugin of pytest: each test's outcome is on disk at once, and none is run twice.

``SBTRACE_KERNEL_RESULTS`` names the file: one JSON object a line, first that a test begins, then
how it ended. A test that began and has no end took its kernel, or its guest, with it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

RESULTS = "SBTRACE_KERNEL_RESULTS"
BEGUN = "died"


def _write(**line: Any) -> None:
    with Path(os.environ[RESULTS]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Name of the test -> the last that is known of it."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {line["test"]: line for line in lines}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has a result."""
    done = read(Path(os.environ[RESULTS]))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in done])
    items[:] = [item for item in items if item.nodeid not in done]


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note that it begins."""
    _write(test=nodeid, outcome=BEGUN)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how it ended; of set-up and tear-down only what went wrong."""
    if report.when != "call" and report.passed:
        return
    _write(
        test=report.nodeid,
        outcome=report.outcome,
        seconds=round(report.duration, 1),
        why=_why(report),
    )


def _why(report: pytest.TestReport) -> str | None:
    if report.passed:
        return None
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr)[:1000]
