"""The live line: on a terminal only, one line, gone when it is cleared."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tracer.report.live import LiveLine, live_text
from tracer.report.style import wants_colour

if TYPE_CHECKING:
    import pytest


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_written_where_the_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    line = LiveLine(stream)
    line.update(1, 2.0, 3, 4)
    line.clear()
    assert stream.getvalue() == ""
    assert not line.enabled


def test_the_line_is_drawn_over_itself_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    stream = _Terminal()
    line = LiveLine(stream)
    line.update(1_500_000_000, 98.0, 1 << 20, 1234)
    line.update(1_600_000_000, None, None, None)
    line.clear()
    line.clear()
    drawn = stream.getvalue().split("\r\x1b[K")
    assert drawn[1].startswith("sbtrace: 1.50 s  CPU 98 %")
    assert all(len(text) < 40 for text in drawn)
    assert drawn[3:] == [""]
    assert "\n" not in stream.getvalue()


def test_what_is_not_known_is_a_dash() -> None:
    assert live_text(0, None, None, None) == "0 ns  CPU -  memory -  - calls"


def test_a_terminal_that_went_away_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(_Terminal):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setenv("TERM", "xterm")
    line = LiveLine(Gone())
    line.update(1, None, None, None)
    assert not line.enabled


def test_colour_is_for_terminals_and_not_against_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_colour(_Terminal())
    assert not wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(_Terminal())
