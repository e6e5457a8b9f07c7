"""Where stdout takes no more: the reader of a pipe is gone, or the disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VERBS = (["--help"], ["profile", "list"], ["profile", "show", "STRICT"])
MAIN = "from tracer.cli.main import main; main()"


def _ending(words: list[str], stdout: int) -> tuple[int, str]:
    command = [sys.executable, "-c", MAIN, *words]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", VERBS)
def test_a_reader_that_has_seen_enough_is_no_error(words: list[str]) -> None:
    """``sbtrace profile show STRICT | head -3``"""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _ending(words, writing) == (0, "")
    finally:
        os.close(writing)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", VERBS)
def test_a_full_disk_is_said_in_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        status, said = _ending(words, full.fileno())
    assert (status, said) == (125, "sbtrace: stdout: cannot be written: No space left on device\n")
