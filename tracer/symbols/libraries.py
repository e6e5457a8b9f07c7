"""Where the libraries that a file needs may lie: proposals, to be held against a build id."""

from __future__ import annotations

import os
import subprocess
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.symbols.elf import Needs

_ARCHITECTURES = ("x86_64-linux-gnu", "aarch64-linux-gnu", "i386-linux-gnu")
DEFAULT_FOLDERS = (
    *(f"/usr/lib/{name}" for name in _ARCHITECTURES),
    *("/usr/lib64", "/usr/lib", "/usr/local/lib", "/lib64", "/lib", "/usr/lib32"),
    *(f"/lib/{name}" for name in _ARCHITECTURES),
)
_LDCONFIG = "/sbin/ldconfig"
_LDCONFIG_SECONDS = 5
_MAX_FOLDERS = 64


class Libraries:
    """The libraries of this machine, by file name; each source is read when first needed."""

    def in_default_folders(self, name: str) -> Iterator[str]:
        """Paths of ``name`` (a soname) where libraries mostly lie."""
        yield from (f"{folder}/{name}" for folder in DEFAULT_FOLDERS)

    def in_cache(self, name: str) -> Iterator[str]:
        """Paths of libraries ``name`` that ld.so.cache knows."""
        yield from self._cache.get(name, ())

    @cached_property
    def _cache(self) -> dict[str, list[str]]:
        """What ld.so.cache knows, by soname and by the real file's name; empty without one."""
        try:
            listing = subprocess.run(
                [_LDCONFIG, "-p"],
                capture_output=True,
                timeout=_LDCONFIG_SECONDS,
                env={},
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return {}
        found: defaultdict[str, list[str]] = defaultdict(list)
        for line in os.fsdecode(listing).splitlines():
            soname, _, path = line.strip().partition(" => ")
            if path.startswith("/"):
                found[soname.split(" ", 1)[0]].append(path)
                found[Path(os.path.realpath(path)).name].append(path)
        return found


def search_folders(needs: Needs, path: str) -> Iterator[str]:
    """DT_RUNPATH or DT_RPATH of the file at ``path``, with ``$ORIGIN`` replaced."""
    origin = str(Path(os.path.realpath(path)).parent)
    for folder in needs.search_path[:_MAX_FOLDERS]:
        yield folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
