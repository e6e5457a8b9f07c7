"""Kernels from the mirror that this machine's own apt has, of other suites than its own."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.kernels.catalogue import Kernel

SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie-backports")
SECURITY = ("bullseye", "bookworm", "trixie")
_TARGETS = ("indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages")


class Unavailable(Exception):
    """A kernel cannot be had; says why."""


class Packages:
    """The packages of all suites, in a folder of its own beside this machine's."""

    def __init__(self, folder: Path, more: Path | None = None) -> None:
        """``more``: a file of further lines for sources.list, of another distribution, say."""
        self._folder = folder
        self._more = more
        self._names: list[str] | None = None

    def fetch(self, kernel: Kernel) -> Path:
        """Return the folder with the newest such kernel, unpacked; keeps what it has."""
        found = next(self._kept(kernel), None)
        return found or self._fetched(kernel, self._newest(kernel))

    def _kept(self, kernel: Kernel) -> Iterator[Path]:
        if self._folder.exists():
            for folder in sorted(self._folder.iterdir(), key=_age, reverse=True):
                if re.fullmatch(kernel.release, folder.name):
                    yield folder

    def _newest(self, kernel: Kernel) -> str:
        """Return the release of the newest whose packages are all there."""
        first, *rest = kernel.packages
        names = set(self._all())
        wanted = re.compile(f"{first}-({kernel.release})")
        releases = [match[1] for name in names if (match := wanted.fullmatch(name))]
        whole = [r for r in releases if names >= {f"{package}-{r}" for package in rest}]
        if not whole:
            raise Unavailable(f"no package {first}-{kernel.release} in the suites at hand")
        return max(whole, key=_parts)

    def _fetched(self, kernel: Kernel, release: str) -> Path:
        work = self._folder / f"{release}.part"
        work.mkdir(parents=True, exist_ok=True)
        for package in kernel.packages:
            self._apt("apt-get", "download", "-qq", f"{package}-{release}", cwd=work)
        for archive in work.glob("*.deb"):
            subprocess.run(["dpkg", "-x", archive, work], check=True)
            archive.unlink()
        if not (work / "lib").exists():
            (work / "lib").symlink_to("usr/lib")
        subprocess.run(["depmod", "-b", work, release], check=True)
        return work.rename(self._folder / release)

    def _all(self) -> list[str]:
        if self._names is None:
            self._sources()
            self._apt("apt-get", "update", "-qq")
            self._names = self._apt("apt-cache", "pkgnames", "linux-").split()
        return self._names

    def _sources(self) -> None:
        apt = self._folder / "apt"
        for name in ("lists/partial", "cache/archives/partial"):
            (apt / name).mkdir(parents=True, exist_ok=True)
        lines = [*_debian_lines(), *(self._more.read_text().splitlines() if self._more else ())]
        (apt / "sources.list").write_text("\n".join(lines) + "\n")

    def _apt(self, command: str, *words: str, cwd: Path | None = None) -> str:
        apt = self._folder / "apt"
        options = {
            "Dir::Etc::sourcelist": apt / "sources.list",
            "Dir::Etc::sourceparts": "/nonexistent",
            "Dir::State::lists": apt / "lists",
            "Dir::Cache": apt / "cache",
            "APT::Sandbox::User": "root",
        }
        each = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        done = subprocess.run(
            [command, *each, *words], cwd=cwd, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise Unavailable(f"{command} {words[0]} failed")
        return done.stdout


def _debian_lines() -> Iterator[str]:
    done = subprocess.run(["apt-get", *_TARGETS], capture_output=True, text=True, check=True)
    mirrors = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("Debian ")}
    if not mirrors:
        raise Unavailable("this machine's apt names no mirror of Debian: name one with --sources")
    for mirror in sorted(mirrors):
        if "security" in mirror:
            yield from (f"deb {mirror} {suite}-security main" for suite in SECURITY)
        else:
            yield from (f"deb {mirror} {suite} main" for suite in SUITES)


def _parts(release: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", release)]


def _age(folder: Path) -> list[int]:
    return _parts(folder.name)
