"""Real programs: what sbtrace counts is what `strace -f -c` counts, for every syscall.

tests/bench/equality.py prints the same comparisons as a table.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bench.commands import COMMANDS, Command
from tests.bench.equality import Bench, Comparison, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Programs

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="sbtrace-equality-") as folder:
        yield Bench(Path(folder))


def require(command: Command) -> None:
    if missing := command.missing():
        pytest.skip(f"there is no {missing}")


def hold(comparison: Comparison) -> None:
    assert not comparison.unequal, "\n".join(lines(comparison))
    assert comparison.exact


def test_there_are_commands_enough() -> None:
    """At least 15 of different kinds."""
    assert len({command.name for command in COMMANDS}) >= 15


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_of_one_execution_both_count_the_same(bench: Bench, command: Command) -> None:
    """sbtrace and strace watch the same processes: every syscall, with its errors, has the
    same count; what differs from run to run is no exception."""
    require(command)
    hold(bench.together(command))


def test_where_a_tracer_is_asked_first_a_fatal_signal_lets_the_call_return(
    bench: Bench, programs: Programs
) -> None:
    """The tracer has seen its result, so both count it as an error; without one it never does."""
    hold(bench.together(Command("cut_short", (str(programs["cut_short"]),))))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_of_an_execution_each_both_count_the_same(bench: Bench, command: Command) -> None:
    """Each tool alone: all is equal but what is listed as different from run to run."""
    require(command)
    hold(bench.apart(command, runs=1))
