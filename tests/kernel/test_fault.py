"""A fault of sbtrace's own, wherever it comes: nobody waits for ever, and nobody lives on."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import pytest

from tests.kernel.supervised import marked
from tests.support import run

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel

FAULTY = """
import builtins, importlib, sys

(module, path), error = sys.argv.pop(1).split(":"), getattr(builtins, sys.argv.pop(1))
owner = importlib.import_module(module)
*outer, name = path.split(".")
for one in outer:
    owner = getattr(owner, one)

def fail(*_words, **_named):
    raise error("forced")

getattr(owner, name)  # a name that is gone would force nothing
setattr(owner, name, fail)
from tracer.cli.main import main
main()
"""
"""sbtrace, but a function of it, "module:path", raises a builtin exception."""
LASTS = "sleep 1000 & exec sleep 1000"
"""Who waits for its end waits too long for any test."""
ENDS = "exit 4"
FAULT = "sbtrace: a fault of its own, "
NO_MEMORY = "sbtrace: it got no more memory while it ran: look at the limit on memory"
"""No fault of the code: where it happened says nothing."""


def faulty(sbtrace: Sbtrace, place: str, error: str, script: str) -> None:
    """Run ``script`` with a fault at ``place``: it is said in a line, and nobody is left."""
    mark = f"MARK={secrets.token_hex(8)}"
    options = ("--db", sbtrace.db, "--interval", "10")
    command = ("env", mark, "sh", "-c", script)
    words = [sys.executable, "-c", FAULTY, place, error, "run", *options, "--", *command]
    done = run(words)
    (line,) = done.stderr.splitlines()
    assert line.startswith(NO_MEMORY if error == "MemoryError" else f"{FAULT}{error}('forced')")
    assert done.returncode == 125
    assert not marked(mark)


@pytest.mark.parametrize(
    ("place", "error", "script"),
    [
        ("tracer.session.supervision:Supervision._turn", "TypeError", LASTS),
        ("tracer.session.supervision:Supervision._sample", "MemoryError", LASTS),
        ("tracer.session.launched:Launched.collect", "OSError", LASTS),
        ("tracer.collectors.kernel.collector:KernelCollector.poll", "MemoryError", LASTS),
        ("tracer.collectors.kernel.collector:KernelCollector.stop", "ValueError", ENDS),
        ("tracer.session.journal:Journal.finish", "MemoryError", ENDS),
        ("tracer.session.run:exit_status", "KeyError", ENDS),
    ],
)
def test_a_fault_in_mid_run_ends_the_target_and_what_was_recorded_is_taken_in(
    sbtrace: Sbtrace, place: str, error: str, script: str
) -> None:
    faulty(sbtrace, place, error, script)
    finished = place.endswith("exit_status")
    (row,) = sbtrace.sql("SELECT outcome FROM runs")
    assert row["outcome"] == ("exited" if finished else "interrupted")


@pytest.mark.parametrize(
    "place",
    [
        "tracer.session.run:_Session._await",
        "tracer.session.record:opening",
        "tracer.session.journal:Journal.__init__",
    ],
)
def test_a_fault_as_the_run_begins_ends_the_target(sbtrace: Sbtrace, place: str) -> None:
    faulty(sbtrace, place, "TypeError", LASTS)


def test_what_was_counted_until_a_fault_is_in_the_record(sbtrace: Sbtrace) -> None:
    place = "tracer.session.supervision:Supervision._sample"
    faulty(sbtrace, place, "RuntimeError", LASTS)
    (row,) = sbtrace.sql("SELECT sum(calls) AS execs FROM syscalls WHERE name = 'execve'")
    assert row["execs"] >= 1
