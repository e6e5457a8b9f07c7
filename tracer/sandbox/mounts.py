"""Mounts: those that there are, and the calls that change them (mount_setattr(2) and its kin)."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

from tracer import linux

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
"""Of every architecture: they are younger than the common numbers."""
_CLONE_NEWNS = 0x20000
_MS_NOSUID, _MS_NOEXEC, _MS_SLAVE = 2, 8, 1 << 19
_AT_FDCWD = -100
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_F_EMPTY_PATH = 4
READ_ONLY, NO_DEVICES = 1, 4
"""Attributes of a mount: MOUNT_ATTR_RDONLY, MOUNT_ATTR_NODEV."""

_ESCAPED = re.compile(r"\\([0-7]{3})")
"""Space, tab, line feed and backslash in a name: fs/proc_namespace.c."""


class Mount(NamedTuple):
    """A line of /proc/PID/mountinfo: proc_pid_mountinfo(5)."""

    kind: str
    """Type of file system."""
    root: str
    """The folder in that file system that is seen at ``point``."""
    point: str
    options: tuple[str, ...]
    """The options of the file system, not those of the mount."""


def mounted(proc: Path = Path("/proc/self")) -> list[Mount]:
    """Every mount that a process sees, its own by default."""
    found = []
    for line in (proc / "mountinfo").read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _source, options) = before.split(), after.split(" ", 2)
        root, point = (_ESCAPED.sub(_unescaped, field) for field in fields[3:5])
        found.append(Mount(kind, root, point, tuple(options.split(","))))
    return found


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 8))


def unshare() -> None:
    """Give the calling thread mounts of its own; later ones of the others still reach it.

    Raises OSError: EPERM without CAP_SYS_ADMIN, ENOSYS before Linux 5.12.
    """
    linux.unshare(_CLONE_NEWNS)
    try:
        _let_nothing_out()
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _make_a_mount_of_the_root()


def _let_nothing_out() -> None:
    _set_attributes(_AT_FDCWD, "/", _AT_RECURSIVE, propagation=_MS_SLAVE)


def _make_a_mount_of_the_root() -> None:
    """In a chroot(2) whose root is a plain folder: attributes are a mount's, and a folder has none.

    Entering the mounts that one has already leads to their real root: only from there can the
    mount that holds the folder be told to let nothing out.
    """
    here = Path.cwd()
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    linux.setns("/proc/self/ns/mnt", _CLONE_NEWNS)
    try:
        _let_nothing_out()
        os.fchdir(root)
        tree = copy(".")
        inside = os.dup(tree)
        put(tree, ".")
        os.close(root)
        root = inside
    finally:  # whatever happened, not outside
        os.fchdir(root)
        os.chroot(".")
        os.close(root)
    os.chdir(here)


def forbid_devices() -> None:
    """Let no device be opened by any path but those that are put on top later."""
    _set_attributes(_AT_FDCWD, "/", _AT_RECURSIVE, wanted=NO_DEVICES)


def cover_with_memory(folder: str) -> None:
    """Put an empty file system on top of ``folder``. Raises OSError."""
    linux.mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NOEXEC, "mode=755,size=1m")


def copy(path: str, attributes: int = 0) -> int:
    """A copy of what is at ``path``, with all that is mounted in it, to be put somewhere.

    Returns a descriptor. Raises OSError.
    """
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    tree = linux.syscall(_OPEN_TREE, _AT_FDCWD, ctypes.c_char_p(os.fsencode(path)), flags)
    if attributes:
        _set_attributes(tree, "", _AT_EMPTY_PATH | _AT_RECURSIVE, wanted=attributes)
    return tree


def put(tree: int, path: str) -> None:
    """Put a copy on top of ``path``, and close it. Raises OSError."""
    try:
        name = ctypes.c_char_p(os.fsencode(path))
        linux.syscall(_MOVE_MOUNT, tree, ctypes.c_char_p(b""), _AT_FDCWD, name, _MOVE_F_EMPTY_PATH)
    finally:
        os.close(tree)


def _set_attributes(
    at: int, path: str, flags: int, *, wanted: int = 0, propagation: int = 0
) -> None:
    attributes = struct.pack("=QQQQ", wanted, 0, propagation, 0)  # struct mount_attr
    name = ctypes.c_char_p(os.fsencode(path))
    size = len(attributes)
    linux.syscall(_MOUNT_SETATTR, at, name, flags, ctypes.c_char_p(attributes), size)
