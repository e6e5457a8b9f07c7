"""A terminal with an interactive shell in it, as a person would sit before it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE_S = 30
CTRL_C, CTRL_Z = "\x03", "\x1a"


class Terminal:
    """Types and reads."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._read = ""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Read until ``pattern`` is there; drop what was up to its end."""
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self._read)):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self._read!r}"
            if select.select([self._fd], [], [], left)[0]:
                self._read += os.read(self._fd, 65536).decode(errors="replace")
        self._read = self._read[found.end() :]
        return found


@contextmanager
def terminal(environment: Mapping[str, str]) -> Iterator[Terminal]:
    """bash with job control in a terminal of 80 columns; ``$S`` is this checkout's sbtrace."""
    pid, fd = pty.fork()
    if pid == 0:
        sbtrace = str(Path(sys.executable).parent / "sbtrace")
        own = {"PS1": "PROMPT$ ", "TERM": "xterm", "S": sbtrace, "COLUMNS": "80"}
        os.execvpe(  # noqa: S606 - a shell is what is wanted
            "bash", ["bash", "--norc", "--noprofile", "-i"], {**os.environ, **own, **environment}
        )
    screen = Terminal(fd)
    try:
        screen.expect(r"PROMPT\$ ")
        screen.type("bind 'set enable-bracketed-paste off'; stty -echo\n")
        screen.expect(r"PROMPT\$ ")
        yield screen
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(fd)
        os.waitpid(pid, 0)
