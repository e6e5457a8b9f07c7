"""The vdso: an ELF file that the kernel maps into every process and no file system holds."""

from __future__ import annotations

import os
from pathlib import Path

from tracer.symbols.source import MalformedError, MemorySource

NAME = "[vdso]"
"""As /proc/PID/maps calls it."""
_MAX_BYTES = 1 << 20


def load() -> MemorySource:
    """The vdso of this process, which is that of every process of its ABI on this kernel.

    Raises MalformedError if there is none or it cannot be read.
    """
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        span = next(line.split(" ", 1)[0] for line in lines if line.endswith(NAME))
        start, end = (int(part, 16) for part in span.split("-"))
        memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return MemorySource(os.pread(memory, min(end - start, _MAX_BYTES), start))
        finally:
            os.close(memory)
    except (OSError, StopIteration) as error:
        raise MalformedError(f"no vdso: {error}") from error
