"""Which frame of a stack is the program's own."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.model import Frame

# A text: re compiles it when it is first needed, which a start seldom does.
# The C and C++ run time: what a program calls to make a system call, never its own code.
_RUN_TIME = (
    r"(libc|libpthread|libm|librt|libdl|libutil|libresolv|libgcc_s|libstdc\+\+|libc\+\+|libc\+\+abi"
    r"|ld-linux[\w-]*|ld-musl-\w+|ld|libc\.musl-\w+)(-\d[\d.]*)?\.so(\.[\d.]+)?|\[vdso\]"
)


def innermost_own_frame(frames: Iterable[Frame], executable: str | None) -> Frame | None:
    """The innermost frame in the program's own code.

    That is the first in the file ``executable``. If there is none (a script, whose program
    is an interpreter; a stack cut short), the first in any file that is not the C library
    or the dynamic linker; None if there is no such frame either. In a statically linked
    program the C library is part of the executable and cannot be told apart.
    """
    known = [frame for frame in frames if frame.object is not None]
    if executable is not None:
        wanted = {executable, os.path.realpath(executable)}
        for frame in known:
            if frame.object in wanted or os.path.realpath(frame.object or "") in wanted:
                return frame
    return next((f for f in known if not _is_run_time(f.object or "")), None)


def _is_run_time(path: str) -> bool:
    return re.fullmatch(_RUN_TIME, PurePosixPath(path).name) is not None
