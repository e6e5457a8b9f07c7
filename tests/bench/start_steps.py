"""Where the time of a warm start goes: the steps of the three processes, medians of some runs.

    .venv/bin/python -m tests.bench.start_steps

The command is run by this module, which notes when the functions below are entered and left.
That takes a few milliseconds itself, so the sum is more than what `make bench` finds.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from functools import wraps
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

RUNS = 15
NOTES = "SBTRACE_BENCH_NOTES"
STEPS = {
    "tracer.session.processes.guard": {"_fork_supervisor": "fork"},
    "tracer.cli.order": {"Order.dump": "hand the command line over"},
    "tracer.cli.supervise": {"_order": "wait for the order"},
    "tracer.session.request": {"plan": "plan: profile, user, places"},
    "tracer.session.run": {
        "kernel_collector": "import, load and attach eBPF",
        "_Session.start": "let the target go, to its execve",
        "Supervision.watch": "the target itself",
    },
    "tracer.session.journal": {
        "Journal.finish": "put the run on the disk",
        "Journal.settle": "wait until it is committed",
    },
    "tracer.store.database": {"engine": "start DuckDB"},
    "tracer.store.intake": {"take_in": "take the run in"},
    "tracer.store.load": {"load_run": "of that: load and commit"},
}
IMPORTS = {"typer": "import typer", "_duckdb": "import DuckDB", "tracer.session.run": "its imports"}


class _Notes:
    """The child's side: notes instants of CLOCK_MONOTONIC."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def add(self, label: str, began: int) -> None:
        """Note a step that ends now."""
        line = f"{os.getpid()}\t{label}\t{began}\t{time.monotonic_ns()}\n"
        os.write(self._file, line.encode())

    def wrap(self, module: ModuleType, path: str, label: str) -> None:
        """Note each call of the function ``path`` of ``module``."""
        *outer, name = path.split(".")
        owner: Any = module
        for part in outer:
            owner = getattr(owner, part)
        inner = getattr(owner, name)

        @wraps(inner)
        def noted(*args: Any, **named: Any) -> Any:
            began = time.monotonic_ns()
            try:
                return inner(*args, **named)
            finally:
                self.add(label, began)

        setattr(owner, name, noted)


class _Finder(importlib.abc.MetaPathFinder):
    """Has the functions of a module wrapped when it is imported."""

    def __init__(self, notes: _Notes) -> None:
        self._notes = notes

    def find_spec(self, name: str, *_: Any) -> Any:
        if name not in STEPS and name not in IMPORTS:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module = self._noted(name, spec.loader.exec_module)  # type: ignore[method-assign]  # what the hook is for
        return spec

    def _noted(self, name: str, execute: Callable[[ModuleType], None]) -> Callable[..., None]:
        def noted(module: ModuleType) -> None:
            began = time.monotonic_ns()
            execute(module)
            if name in IMPORTS:
                self._notes.add(IMPORTS[name], began)
            for path, label in STEPS.get(name, {}).items():
                self._notes.wrap(module, path, label)

        return noted


def child() -> None:
    """Be sbtrace, with notes."""
    notes = _Notes(os.environ.pop(NOTES))
    notes.add("start Python", time.monotonic_ns())
    sys.meta_path.insert(0, _Finder(notes))
    from tracer.cli.main import main

    main()


def once(folder: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Run it; return (process, step) -> begin and end in ms from the start."""
    notes = folder / "notes"
    notes.write_text("")
    command = [sys.executable, "-m", "tests.bench.start_steps", "run", "-q"]
    environment = {**os.environ, NOTES: str(notes)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    zero = time.monotonic_ns()
    process = subprocess.Popen([*command, "--db", str(folder / "db"), "/bin/true"], env=environment)
    if process.wait() != 0:
        raise RuntimeError("sbtrace failed")
    over = (time.monotonic_ns() - zero) / 1e6
    found = {("front", "over"): (over, over)}
    lines = [line.split("\t") for line in notes.read_text().splitlines()]
    pids = sorted({int(line[0]) for line in lines})
    roles = dict(zip(pids, ("front", "guard", "supervisor"), strict=False))
    for pid, label, began, ended in lines:
        times = ((int(began) - zero) / 1e6, (int(ended) - zero) / 1e6)
        found[roles[int(pid)], label] = times
    return found


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-") as name:
        runs = [once(Path(name)) for _ in range(RUNS + 1)][1:]  # the first one is not warm
    rows = [
        (median(run[key][0] for run in runs), median(run[key][1] for run in runs), *key)
        for key in runs[0]
        if all(key in run for run in runs)
    ]
    print(f"{'from ms':>8} {'to ms':>8}  process     step")
    for began, ended, role, label in sorted(rows):
        print(f"{began:8.1f} {ended:8.1f}  {role:<10}  {label}")


if __name__ == "__main__":
    child() if NOTES in os.environ else main()
