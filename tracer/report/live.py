"""The line that a terminal shows while a long run goes on."""

from __future__ import annotations

import os
from typing import TextIO

from tracer.report.units import count, duration, percent, size

_ERASE = "\r\x1b[K"


def live_text(
    elapsed_ns: int, cpu_percent: float | None, memory_bytes: int | None, calls: int | None
) -> str:
    """``12.3 s  CPU 98 %  memory 12.3 MiB  1,234 calls``; ``-`` for what is not known."""
    return (
        f"{duration(elapsed_ns)}  CPU {percent(cpu_percent)}"
        f"  memory {size(memory_bytes)}  {count(calls)} calls"
    )


class LiveLine:
    """Draws one line over and over. Does nothing where the stream is no terminal."""

    def __init__(self, stream: TextIO, *, quiet: bool = False) -> None:
        self._stream = stream
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
    ) -> None:
        """Draw the line again. Figures as in ``live_text``; None is shown as ``-``."""
        if not self.enabled:
            return
        import shutil

        # One column stays free: a full line would wrap, and its first part could not be erased.
        room = shutil.get_terminal_size().columns - 1
        text = "sbtrace: " + live_text(elapsed_ns, cpu_percent, memory_bytes, calls)
        self._write(_ERASE + text[:room])
        self._drawn = True

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
