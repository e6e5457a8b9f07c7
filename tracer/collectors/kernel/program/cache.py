"""Programs on disk with what the kernel said, for root alone: a second start looks nothing up.

What is in the folder gets loaded into the kernel, so only root may write there, and what
is read is checked again: owner, mode and kind of the folder and of the file, neither
through a link. Anything odd is left alone and the program is made afresh.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from tracer.collectors.kernel.program.artifact import FORMAT, Artifact
from tracer.collectors.kernel.program.variant import MAKERS
from tracer.resources import CACHE, bpf_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.collectors.kernel.program.variant import Variant

FOLDER = CACHE
"""Fixed: no environment variable leads root to another place (file-hierarchy(7))."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_KERNEL_NOTES = Path("/sys/kernel/notes")
_KEPT = 8


class Kept(NamedTuple):
    """What a start needs of an earlier one."""

    artifact: Artifact
    values: dict[str, int]
    """``offsets.kernel_values()``."""


def identity(which: Variant) -> str:
    """Return what a kept program depends on: its sources, how it is made, the kernel.

    The sources are told by their inodes and times: the time of a change (st_ctime) is the
    kernel's own, whatever an installer makes of the others, and they need not be read. The
    kernel is told by its build id (/sys/kernel/notes), or where that is not readable by its
    release and version.
    """
    kernel = os.uname()
    words = [str(FORMAT), *which.definitions(), kernel.release, kernel.version]
    for source in (*sorted(bpf_dir().rglob("*.[ch]")), *MAKERS):
        info = source.stat()
        words.append(f"{source} {info.st_ino} {info.st_size} {info.st_mtime_ns} {info.st_ctime_ns}")
    with suppress(OSError):
        words.append(_KERNEL_NOTES.read_bytes().hex())
    return "\n".join(words)


def load(made_for: str, folder: Path = FOLDER) -> Kept | None:
    """Return what is kept for an ``identity``; None if there is none that can be trusted."""
    try:
        with _Opened(folder) as at:
            # O_NONBLOCK: a FIFO in its place is refused below, not waited for
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(_name(made_for), flags, dir_fd=at)
            with os.fdopen(fd, "rb") as file:
                if not _is_roots(os.fstat(fd), stat.S_ISREG):
                    return None
                held, values, artifact = json.loads(file.read())
                return Kept(Artifact.parse(artifact), dict(values)) if held == made_for else None
    except (OSError, ValueError, TypeError):
        return None


def save(made_for: str, kept: Kept, folder: Path = FOLDER) -> None:
    """Keep a program for an ``identity``. Where that cannot be, the next start does the same."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        with _Opened(folder) as at:
            data = json.dumps([made_for, kept.values, kept.artifact.dump()])
            _write(_name(made_for), data.encode(), at)
            _forget_old(at)


def _name(made_for: str) -> str:
    """Return a file's name. Should two identities have the same, the later one is kept."""
    return f"{crc32(made_for.encode()):08x}"


def _write(name: str, data: bytes, at: int) -> None:
    """Write under another name and rename: nobody ever reads half a program."""
    building = f".{name}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(building, flags, 0o600, dir_fd=at), "wb") as file:
            file.write(data)
        os.rename(building, name, src_dir_fd=at, dst_dir_fd=at)
    except OSError:
        with suppress(OSError):
            os.unlink(building, dir_fd=at)
        raise


def _forget_old(at: int) -> None:
    """Keep the newest few: kernels and versions come and go."""
    names = sorted(os.listdir(at), key=lambda n: os.stat(n, dir_fd=at).st_mtime_ns, reverse=True)
    for name in names[_KEPT:]:
        os.unlink(name, dir_fd=at)


class _Opened:
    """The cache folder as a descriptor; OSError if others than root could write there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._folder, flags)
        if not _is_roots(os.fstat(self._fd), stat.S_ISDIR):
            os.close(self._fd)
            raise PermissionError(f"{self._folder}: others than root could write there")
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _is_roots(info: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    return is_kind(info.st_mode) and info.st_uid == 0 and not info.st_mode & _OTHERS_WRITE
