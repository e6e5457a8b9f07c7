"""Standard output that is there where it was closed, and that waits where it does not block."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def install(*, closed: bool) -> None:
    """Put it in the place of sys.stdout, which is None where descriptor 1 was closed."""
    old = sys.stdout
    raw = _Descriptor(1, "w", closefd=False)
    raw.closed_before = closed
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(old, "encoding", None),
        errors="backslashreplace",
        line_buffering=raw.isatty(),
    )


class _Descriptor(io.FileIO):
    closed_before = False
    """Whether what is there is /dev/null, in the place of nothing."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of ``data``. Raises OSError."""
        if self.closed_before:
            self.closed_before = False  # said once: Python writes again as it ends
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        while (count := super().write(data)) is None:  # it does not block, and is full
            select.select([], [self], [])
        return count
