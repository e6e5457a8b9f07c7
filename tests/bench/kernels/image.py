"""The disks of a guest: this machine's userland, and the checkout.

ext4 rather than 9p or an overlay: what is compared has inodes and devices of mapped files in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOT_NEEDED = ("usr/src", "usr/games", "usr/lib/debug", "usr/lib/jvm", "usr/lib/firmware")
_NOT_SHOWN = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/icons")
_ALIASES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_POINTS = ("proc", "sys", "dev", "run", "root", "tmp", "mnt", "home", "share", "var/tmp", "var/lib")
_MIB = 2**20


def userland(folder: Path) -> Path:
    """Return the disk with /usr and /etc of this machine; made anew once a package changed."""
    made, status = folder / "userland.ext4", Path("/var/lib/dpkg/status")
    if made.exists() and made.stat().st_mtime > status.stat().st_mtime:
        return made
    left_out = (*_NOT_NEEDED, *_NOT_SHOWN)
    with _disk(made, 16_384) as root:
        _copy(root, ("usr", "etc", *filter(_is_there, _ALIASES)), left_out)
        for name in _POINTS:
            (root / name).mkdir(parents=True, exist_ok=True)
        for name in ("tmp", "var/tmp"):
            (root / name).chmod(0o1777)
        (root / str(ROOT).lstrip("/")).mkdir(parents=True, exist_ok=True)
    return made


def checkout(folder: Path) -> Path:
    """Return the disk with the checkout as it stands, set up."""
    made = folder / "checkout.ext4"
    with _disk(made, 2_048) as root:
        top = str(ROOT).lstrip("/")
        _copy(root, (top,), (f"{top}/build", f"{top}/.git"))
        for entry in (root / top).iterdir():
            entry.rename(root / entry.name)
    return made


def _is_there(name: str) -> bool:
    return os.path.lexists(f"/{name}")


def _copy(to: Path, names: Sequence[str], left_out: Sequence[str]) -> None:
    exclude = [f"--exclude=./{name}" for name in left_out]
    here = [f"./{name}" for name in names]
    make = ["tar", "--one-file-system", "-C", "/", *exclude, "-cf", "-", *here]
    with subprocess.Popen(make, stdout=subprocess.PIPE) as making:
        subprocess.run(["tar", "-C", to, "-xf", "-"], stdin=making.stdout, check=True)


@contextmanager
def _disk(path: Path, mib: int) -> Iterator[Path]:
    """A sparse ext4 file system, mounted meanwhile; a failure leaves none."""
    part, at = path.with_suffix(".part"), path.with_suffix(".mnt")
    path.unlink(missing_ok=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        file.truncate(mib * _MIB)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", part], check=True)
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", part, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)
        shutil.rmtree(at)
    part.rename(path)
