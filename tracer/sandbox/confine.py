"""Mounts of its own for a target that is root: it cannot write what would give it the machine.

A target with uid 0 and no capability still owns root's files, and the kernel's among them:
/proc/sys/kernel/core_pattern names a program that root runs, a cgroup's ``pids.max`` is the bound
on the target itself, /dev/sda is the disk. Such a target sees these read-only, and in /dev only
what every user may open. It cannot undo that: mount(2) asks for CAP_SYS_ADMIN. A user namespace
would give it that, but the mounts of a more privileged one stay as they are there
(mount_namespaces(7), "locked").
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.sandbox import mounts

if TYPE_CHECKING:
    from collections.abc import Iterable

_OF_KERNEL = frozenset(
    {
        *("sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf"),
        *("efivarfs", "pstore", "binfmt_misc", "selinuxfs", "smackfs", "fusectl", "resctrl"),
    }
)
"""File systems whose files are switches of the kernel's."""
_OF_PROC = (
    *("sys", "sysrq-trigger", "acpi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq"),
    *("latency_stats", "mtrr", "scsi", "timer_stats", "xen"),
)
"""What of /proc belongs to no process and can be written."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
"""What every user may open, and programs do."""
_TREES = ("pts", "shm", "mqueue", "hugepages")
"""What else of /dev is as it was: mounts of their own."""


class Device(NamedTuple):
    """A node as mknod(2) makes it."""

    name: str
    mode: int
    number: int


class Confinement(NamedTuple):
    """What a target of root's finds changed."""

    read_only: tuple[str, ...]
    devices: tuple[Device, ...]
    """The only ones that can be opened by name."""
    trees: tuple[str, ...]
    """Folders of /dev that stay as they are."""
    links: tuple[tuple[str, str], ...]
    """(name, where to) of links in /dev."""

    def enter(self) -> bool:
        """Put the calling process into it; False if it can make no mounts at all.

        That takes a right, and calls that Linux has since 5.12. Raises OSError.
        """
        try:
            mounts.unshare()
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOSYS}:
                raise
            return False
        trees = [(mounts.copy(path), path) for path in self.trees]
        mounts.forbid_devices()
        self._make_devices()
        for tree, path in trees:
            Path(path).mkdir()
            mounts.put(tree, path)
        for path in self.read_only:
            mounts.put(mounts.copy(path, mounts.READ_ONLY), path)
        with suppress(OSError):  # it is gone: nothing can be reached from it
            os.chdir(os.getcwd())  # noqa: PTH109 - else it would be what is beneath
        return True

    def _make_devices(self) -> None:
        """A folder of their own: a bind mount of /dev/ptmx would not find its pts."""
        mounts.cover_with_memory("/dev")
        for name, mode, number in self.devices:
            os.mknod(f"/dev/{name}", mode, number)
            Path(f"/dev/{name}").chmod(stat.S_IMODE(mode))  # whatever the umask
        for name, target in self.links:
            Path(f"/dev/{name}").symlink_to(target)


def confinement(own: Iterable[Path]) -> Confinement:
    """What is to be done on this machine. ``own``: files of sbtrace's; some may be missing."""
    found = mounts.mounted()
    paths = [mount.point for mount in found if mount.kind in _OF_KERNEL]
    for mount in found:
        if mount.kind == "proc" and mount.root == "/":
            paths += [f"{mount.point}/{name}" for name in _OF_PROC]
    paths += [os.fspath(path) for path in own]
    trees = [f"/dev/{name}" for name in _TREES]
    return Confinement(_there(paths), _devices(), _there(trees), _links())


def _devices() -> tuple[Device, ...]:
    found = []
    for name in _DEVICES:
        with suppress(OSError):
            info = Path("/dev", name).lstat()
            if stat.S_ISCHR(info.st_mode):
                found.append(Device(name, info.st_mode, info.st_rdev))
    return tuple(found)


def _links() -> tuple[tuple[str, str], ...]:
    """``fd``, ``stdin``, ``log`` and their like; ``ptmx`` where it is one."""
    with os.scandir("/dev") as entries:
        return tuple((e.name, str(Path(e).readlink())) for e in entries if e.is_symlink())


def _there(paths: Iterable[str]) -> tuple[str, ...]:
    """Each once, links followed, and what lies in another one left out."""
    found: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        inside = any(path.startswith(f"{other}/") for other in found)
        if not inside and Path(path).exists():
            found.append(path)
    return tuple(found)
