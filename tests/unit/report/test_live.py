"""The live line: on a terminal only, one line, gone when it is cleared, never over the target."""

from __future__ import annotations

import io
import os
import re
import termios
import tty
from typing import TYPE_CHECKING

import pytest

from tracer.report.live import LiveLine, live_text
from tracer.report.style import wants_colour

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


BELOW = "\x1bD\x1bM\x1b7\x1bE"
"""Down and up again, keep the place, begin the next line."""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Screen(_Terminal):
    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


LONG_NS = 1_500_000_000


@pytest.fixture(autouse=True)
def _capable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a plain file, as ``> file`` gives it."""
    with (tmp_path / "output").open("wb") as stream:
        yield stream.fileno()


@pytest.fixture
def pipe() -> Iterator[int]:
    """A descriptor of a pipe, whose reader most likely writes to the terminal."""
    reading, writing = os.pipe()
    yield writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def pty() -> Iterator[int]:
    """The program's end of a terminal."""
    master, slave = os.openpty()
    yield slave
    os.close(master)
    os.close(slave)


def test_nothing_is_written_where_the_stream_is_no_terminal(file: int) -> None:
    stream = io.StringIO()
    line = LiveLine(stream, output=file)
    line.update(LONG_NS, 2.0, 3, 4, 0)
    line.clear()
    assert stream.getvalue() == ""
    assert not line.enabled


def test_the_line_is_drawn_over_itself_and_leaves_nothing(file: int) -> None:
    stream = _Terminal()
    line = LiveLine(stream, output=file)
    line.update(LONG_NS, 98.0, 1 << 20, 1234, 5)
    line.update(LONG_NS, None, None, None, None)
    line.clear()
    line.clear()
    drawn = stream.getvalue().split("\x1b[J")
    assert drawn[1].removeprefix(BELOW).startswith("sbtrace: 1.50 s  CPU 98 %")
    assert all(text.endswith("\x1b8") for text in drawn[1:3])
    assert all(len(text.removeprefix(BELOW).removesuffix("\x1b8")) < 40 for text in drawn)
    assert drawn[3:] == [""]


def test_the_cursor_stays_where_it_was_and_its_line_is_not_touched(file: int) -> None:
    """A prompt without a line feed, or what the user types, is neither erased nor moved."""
    stream = _Terminal()
    line = LiveLine(stream, output=file)
    line.update(LONG_NS, None, None, None, 0)
    line.clear()
    assert not re.search(r"\r|\n|\x1b\[[0-9]*K", stream.getvalue())


def test_a_short_run_shows_no_line(file: int) -> None:
    stream = _Terminal()
    LiveLine(stream, output=file).update(999_999_999, 1.0, 1, 1, 0)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("output", ["pty", "pipe"])
def test_the_line_goes_for_good_once_the_target_writes(
    output: str, request: pytest.FixtureRequest
) -> None:
    """An editor's screen and a half-written line are the target's."""
    stream = _Terminal()
    line = LiveLine(stream, output=request.getfixturevalue(output))
    line.update(LONG_NS, None, None, None, 0)
    assert "sbtrace" in stream.getvalue()
    line.update(LONG_NS, None, None, None, 1)
    gone = stream.getvalue()
    assert gone.endswith("\x1b[J")
    line.update(LONG_NS, None, None, None, 0)  # the process that wrote has ended
    assert stream.getvalue() == gone


def test_no_line_is_drawn_where_it_is_not_known_whether_the_target_wrote(pty: int) -> None:
    stream = _Terminal()
    LiveLine(stream, output=pty).update(LONG_NS, None, None, None, None)
    assert stream.getvalue() == ""


def test_no_line_is_drawn_while_somebody_reads_key_by_key(file: int, pty: int) -> None:
    """``sbtrace run make | less``: the pager is no part of the target."""
    stream = _Screen(pty)
    line = LiveLine(stream, output=file)
    tty.setcbreak(pty)
    line.update(LONG_NS, None, None, None, 0)
    assert stream.getvalue() == ""
    usual = termios.tcgetattr(pty)
    usual[3] |= termios.ICANON
    termios.tcsetattr(pty, termios.TCSANOW, usual)
    line.update(LONG_NS, None, None, None, 0)
    assert "sbtrace" in stream.getvalue()


def test_what_is_not_known_is_a_dash() -> None:
    assert live_text(0, None, None, None) == "0 ns  CPU -  memory -  - calls"


def test_a_terminal_that_went_away_does_not_end_the_run(file: int) -> None:
    class Gone(_Terminal):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    line = LiveLine(Gone(), output=file)
    line.update(LONG_NS, None, None, None, 0)
    assert not line.enabled


def test_colour_is_for_terminals_and_not_against_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_colour(_Terminal())
    assert not wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(_Terminal())
