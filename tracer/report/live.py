"""The line that a terminal shows while a long run goes on and the target says nothing itself."""

from __future__ import annotations

import os
import stat
from typing import TextIO

from tracer.report.units import count, duration, percent, size

_LONG_NS = 1_000_000_000
"""A run that ends sooner shows no line."""
# Down and up again makes sure of a line below the cursor; the text goes there, and the cursor
# back to where it was (all of VT100). So nothing that others have written is touched.
_BELOW, _BACK = "\x1bD\x1bM\x1b7\x1bE", "\x1b8"
_ERASE = "\x1b[J"
"""What is below the cursor, and to the right of it."""


def live_text(
    elapsed_ns: int, cpu_percent: float | None, memory_bytes: int | None, calls: int | None
) -> str:
    """``12.3 s  CPU 98 %  memory 12.3 MiB  1,234 calls``; ``-`` for what is not known."""
    return (
        f"{duration(elapsed_ns)}  CPU {percent(cpu_percent)}"
        f"  memory {size(memory_bytes)}  {count(calls)} calls"
    )


class LiveLine:
    """Draws one line over and over, below the cursor. Does nothing where the stream is no terminal.

    The target has the first right to the terminal. No line is drawn once the target has written
    anything, unless its stdout is elsewhere. None is drawn while a program reads single keys.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, output: int = 1) -> None:
        """``output``: the descriptor that is the target's stdout."""
        self._stream = stream
        self._output = output
        self._spoken = False
        terminal = stream is not None and stream.isatty()
        self.enabled = terminal and not quiet and os.environ.get("TERM", "dumb") != "dumb"
        """Whether ``update`` draws: nobody need work out figures for it otherwise."""
        self._drawn = False

    def update(
        self,
        elapsed_ns: int,
        cpu_percent: float | None,
        memory_bytes: int | None,
        calls: int | None,
        writes: int | None,
    ) -> None:
        """Draw the line again. Figures as in ``live_text``; None is shown as ``-``.

        ``writes``: calls of the target that have written anything; None if not known.
        """
        if not self.enabled:
            return
        if elapsed_ns < _LONG_NS or not self._is_ours(writes):
            self.clear()
        else:
            self._draw(live_text(elapsed_ns, cpu_percent, memory_bytes, calls))

    def _draw(self, text: str) -> None:
        import shutil

        # One column stays free: a full line would wrap, and its first part could not be erased.
        room = shutil.get_terminal_size().columns - 1
        self._write(_ERASE + _BELOW + f"sbtrace: {text}"[:room] + _BACK)
        self._drawn = True

    def _is_ours(self, writes: int | None) -> bool:
        """Whether nobody else draws on the terminal, as far as can be known."""
        self._spoken = self._spoken or (writes != 0 and _goes_to_a_screen(self._output))
        return not self._spoken and _reads_lines(self._stream)

    def left_behind(self, processes: int) -> None:
        """Say, in a line that stays, for how many processes a run goes on without its command."""
        if self.enabled:
            self.clear()
            noun = "process" if processes == 1 else "processes"
            them = "it" if processes == 1 else "them"
            self._write(
                f"sbtrace: waiting for {count(processes)} {noun} that the command left behind: "
                f"Ctrl-C ends {them}\n"
            )

    def clear(self) -> None:
        """Erase the line, if there is one. Call it before anything else is printed."""
        if self._drawn:
            self._write(_ERASE)
            self._drawn = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # the terminal went away; the run goes on without the line
            self.enabled = False


def _goes_to_a_screen(descriptor: int) -> bool:
    """Whether what is written there is likely to be seen at once: on a terminal, or by a pipe."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:  # closed
        return False
    return os.isatty(descriptor) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _reads_lines(stream: TextIO) -> bool:
    """False while an editor, a pager or a shell's prompt has the terminal in its hands."""
    import termios

    try:
        return bool(termios.tcgetattr(stream.fileno())[3] & termios.ICANON)
    except (OSError, ValueError, termios.error):
        return True  # no terminal to ask
