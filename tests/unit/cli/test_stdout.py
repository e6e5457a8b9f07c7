"""Standard output that was closed is named in one line; for a slow one a verb waits."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT

SHOWS = ("-m", "tracer.cli.main", "profile", "show", "STRICT")


def shown(*, before: str) -> subprocess.CompletedProcess[str]:
    """What `sbtrace profile show STRICT` says on stderr, with its stdout led elsewhere."""
    command = ["sh", "-c", f'{before}exec "$@"', "-", sys.executable, *SHOWS]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)


def test_a_stdout_that_was_closed_is_named_in_one_line() -> None:
    done = shown(before="exec >&-; ")
    assert done.returncode == 125
    assert done.stderr == "sbtrace: stdout: cannot be written: Bad file descriptor\n"


def test_a_stdout_that_does_not_block_gets_all_of_it() -> None:
    """As a shell's job or another program may have left its terminal or pipe."""
    whole = subprocess.check_output([sys.executable, *SHOWS], cwd=ROOT)
    reading, writing = os.pipe()
    ballast = _fill(writing)
    with subprocess.Popen(
        [sys.executable, *SHOWS], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE
    ) as verb:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read()[ballast:] == whole
        assert verb.stderr is not None
        assert verb.stderr.read() == b""
    assert verb.returncode == 0


def _fill(pipe: int) -> int:
    os.set_blocking(pipe, False)
    written = 0
    while True:
        try:
            written += os.write(pipe, b"." * 4096)
        except BlockingIOError:
            return written
