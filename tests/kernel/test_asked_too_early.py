"""A run that is asked to end while it is prepared: no target is started, no run is recorded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

WHILE_PREPARED = """
import os, signal, sys
from tracer.session import run

prepare, ask = run.kernel_collector, sys.argv.pop(1)

def kernel_collector(*words):
    prepared = prepare(*words)
    exec(ask)
    return prepared

run.kernel_collector = kernel_collector
from tracer.cli.main import main
main()
"""
"""sbtrace, whose supervisor runs a line of Python when all but the start of the target is done."""
BY_A_SIGNAL = "os.kill(os.getpid(), signal.SIGTERM)"
BY_THE_DEATH_OF_THE_FRONT = (
    "front = int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])\n"
    "os.kill(front, signal.SIGKILL)\n"
    "while open(f'/proc/{front}/stat').read().rpartition(')')[2].split()[0] != 'Z': pass"
)


@pytest.mark.parametrize(
    ("ask", "status"),
    [(BY_A_SIGNAL, 143), (BY_THE_DEATH_OF_THE_FRONT, -9)],
    ids=["signal", "death"],
)
def test_a_run_that_is_asked_to_end_while_it_is_prepared_starts_nothing(
    sbtrace: Sbtrace, tmp_path: Path, ask: str, status: int
) -> None:
    words = (sys.executable, "-c", WHILE_PREPARED, ask, "run", "--db", str(sbtrace.db))
    done = run([*words, "--", "touch", str(tmp_path / "started")])
    assert done.returncode == status
    assert not sbtrace.db.exists()
    assert not (tmp_path / "started").exists()
