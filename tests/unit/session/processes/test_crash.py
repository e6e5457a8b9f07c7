"""The line about a fault of sbtrace's own."""

from __future__ import annotations

import re

import pytest

from tracer.session.processes import children
from tracer.session.processes.crash import say_fault


class Rude(Exception):
    """One whose text is two lines, and longer than any screen."""

    def __repr__(self) -> str:
        return "Rude\n" + "x" * 10_000


@pytest.mark.parametrize("error", [MemoryError(), ValueError("a\nb\x1b[2J\udcff"), Rude()])
def test_it_is_one_line_that_a_terminal_obeys_nothing_of(
    capfd: pytest.CaptureFixture[str], error: Exception
) -> None:
    say_fault(error)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"sbtrace: a fault of its own, {type(error).__name__}")
    assert line.isprintable()
    assert len(line) < 400


def test_it_says_where_in_sbtrace_it_was(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The innermost line of its own, not of the library that it called."""
    monkeypatch.setattr(children, "_held", {})
    monkeypatch.setattr(children, "_LIST", None)
    with pytest.raises(AttributeError) as caught:
        children.children()
    say_fault(caught.value)
    assert re.search(r" at tracer\.session\.processes\.children:\d+: ", capfd.readouterr().err)
