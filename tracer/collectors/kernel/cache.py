"""Compiled programs on disk, for root alone: a second start needs no compiler.

What is in the folder gets loaded into the kernel, so only root may write there, and what
is read is checked again: owner, mode and kind of the folder and of the file, neither
through a link. Anything odd is left alone and the program is compiled afresh.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.collectors.kernel.artifact import Artifact
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOLDER = Path("/var/cache/sbtrace")
"""Fixed: no environment variable leads root to another place (file-hierarchy(7))."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_KERNEL_NOTES = Path("/sys/kernel/notes")
_KEPT = 8


def key(flags: Sequence[str]) -> str:
    """Return what a compiled program depends on: sources, options, kernel, compiler.

    The offsets taken from BTF follow from the kernel, which its build id names
    (/sys/kernel/notes); where that is not readable, its release and version do.
    """
    digest, machine = hashlib.sha256(), os.uname()
    for source in sorted(bpf_dir().rglob("*.[ch]")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    for word in (*flags, machine.release, machine.version, _compiler()):
        digest.update(word.encode() + b"\0")
    with suppress(OSError):
        digest.update(_KERNEL_NOTES.read_bytes())
    return digest.hexdigest()


def _compiler() -> str:
    """Name the installed bcc without loading it: its library's file, size and time."""
    for folder in ("/usr/lib/" + os.uname().machine + "-linux-gnu", "/usr/lib64", "/usr/lib"):
        with suppress(OSError):
            library = Path(folder, "libbcc.so.0").resolve(strict=True)
            info = library.stat()
            return f"{library} {info.st_size} {info.st_mtime_ns}"
    return "unknown"


def load(name: str, folder: Path = FOLDER) -> Artifact | None:
    """Return the program kept under ``name``; None if there is none that can be trusted."""
    try:
        with _Opened(folder) as at:
            # O_NONBLOCK: a FIFO in its place is refused below, not waited for
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=at)
            with os.fdopen(fd, "rb") as file:
                if not _is_roots(os.fstat(fd), stat.S_ISREG):
                    return None
                return Artifact.parse(file.read())
    except (OSError, ValueError):
        return None


def save(name: str, artifact: Artifact, folder: Path = FOLDER) -> None:
    """Keep a program under ``name``. Where that cannot be, the next start compiles again."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        with _Opened(folder) as at:
            _write(name, artifact.dump(), at)
            _forget_old(at)


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
