"""Questions about paths that a person may not look at: no answer is None, never an exception."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from pathlib import Path


def look(path: Path) -> os.stat_result | None:
    """What stat(2) says of a path; None if it is missing, or not for us to see."""
    try:
        return path.stat()
    except OSError:
        return None


def is_file(path: Path) -> bool:
    """Whether it is a file, as far as can be seen."""
    found = look(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_folder(path: Path) -> bool:
    """Whether it is a folder, as far as can be seen."""
    found = look(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_mounted(kind: str, mountinfo: Path) -> bool | None:
    """Whether a file system of this kind is mounted; None if that cannot be told.

    Its own folder may be closed to all but root, as that of tracefs is.
    """
    try:
        lines = mountinfo.read_bytes().splitlines()
    except OSError:
        return None
    return any(line.partition(b" - ")[2].split()[:1] == [kind.encode()] for line in lines)
