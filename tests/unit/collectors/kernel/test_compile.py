"""What the compiler prints is kept from the user's lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tracer.collectors.kernel.program import compile as module


def test_what_is_printed_meanwhile_is_captured_and_what_comes_later_is_not(tmp_path: Path) -> None:
    kept = os.dup(2)
    file = os.open(tmp_path / "stderr", os.O_RDWR | os.O_CREAT)
    sys.stderr.flush()
    os.dup2(file, 2)
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with module._captured_stderr() as printed:
            os.write(2, b"x.c:1: error: no such thing\n")
            assert module._reason(ValueError("failed"), printed) == (
                f"{module.MAIN}: failed (x.c:1: error: no such thing)"
            )
        os.write(2, b"later\n")
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(file)
    assert (tmp_path / "stderr").read_bytes() == b"later\n"
