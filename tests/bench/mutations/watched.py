"""A plugin of pytest on the ground: which lines of tracer/ each test runs, and for how long."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mutations_watch as watch  # the one that runs already: a second would note elsewhere
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = Path(os.environ["WATCHED"])
_EMPTY = b"\0"
_tests: dict[str, dict[str, Any]] = {}


def pytest_configure() -> None:
    threading.settrace(watch.called)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Each test notes in a file of its own, and so does what it starts."""
    now = _FOLDER / watch.NOW
    size = now.stat().st_size
    now.unlink()  # the last test's mapping is still its own
    now.write_bytes(_EMPTY * size)
    now.chmod(0o666)
    watch.attach(str(now))
    try:
        return (yield)
    finally:
        lines = [at for at, mark in enumerate(now.read_bytes()) if mark]
        _tests.setdefault(item.nodeid, {})["lines"] = lines


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    test = _tests.setdefault(report.nodeid, {})
    test["seconds"] = test.get("seconds", 0.0) + report.duration
    test["failed"] = test.get("failed", False) or report.failed


def pytest_sessionfinish() -> None:
    (_FOLDER / "tests.json").write_text(json.dumps(_tests))
