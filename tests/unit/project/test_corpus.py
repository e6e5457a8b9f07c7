"""The corpus bench tells what explains a difference from what does not."""

from __future__ import annotations

import pytest

from tests.bench import corpus
from tests.bench.corpus import Counts, Outcome, Program, Row

PROGRAM = Program("python", "test_os", ("true",))


def row(ours: Counts, strace: Counts) -> Row:
    return Row("read", *ours, *strace[:2])


@pytest.mark.parametrize(
    ("ours", "strace", "verdict"),
    [
        (Counts(7, 2, 3), Counts(10, 2), "filter"),
        (Counts(7, 2, 3), Counts(10, 5), "filter"),
        (Counts(7, 2, 3), Counts(11, 2), "unequal"),
        (Counts(7, 2, 3), Counts(10, 6), "unequal"),
        (Counts(7, 2, 3), Counts(6, 2), "unequal"),
        (Counts(7, 2, 0), Counts(6, 2), "killed"),
        (Counts(7, 2, 0), Counts(6, 3), "unequal"),
        (Counts(7, 2, 0), Counts(8, 2), "unequal"),
    ],
)
def test_only_what_can_explain_a_difference_excuses_it(
    ours: Counts, strace: Counts, verdict: str
) -> None:
    """strace has more where a filter refused, less where a death came first, never both."""
    assert row(ours, strace).verdict == verdict


def test_a_program_is_as_bad_as_its_worst_syscall() -> None:
    filtered, unequal = (row(Counts(1, 0, 1), Counts(2, 0)), row(Counts(1, 0, 0), Counts(2, 0)))
    assert Outcome(PROGRAM, "compared", rows=(filtered, unequal)).verdict == "unequal"
    assert Outcome(PROGRAM, "compared", rows=(filtered,)).verdict == "filter"
    assert Outcome(PROGRAM, "compared").verdict == "equal"
    assert Outcome(PROGRAM, "time").verdict == "time"


def test_what_socketcall_stands_for_is_socketcall_on_both_sides() -> None:
    """strace counts i386's socketcall under the names of what it stands for."""
    strace = {"i386:send": Counts(2, 1), "i386:socketcall": Counts(3, 3), "send": Counts(5, 0)}
    assert corpus.folded(strace) == {"i386:socketcall": Counts(5, 4), "send": Counts(5, 0)}
