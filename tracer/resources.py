"""Where bpf/, profiles/ and queries/ lie: beside the package, or inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

CACHE = Path("/var/cache/sbtrace")
"""What root compiled for the running kernel."""


def package_dir() -> Path:
    """The folder of sbtrace's modules."""
    return _PACKAGE


def _folder(name: str) -> Path:
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def bpf_dir() -> Path:
    """The folder of the BPF C sources."""
    return _folder("bpf")


def profiles_dir() -> Path:
    """The folder of the shipped profiles, one TOML file each."""
    return _folder("profiles")


def queries_dir() -> Path:
    """The folder of the saved queries, one SQL file each."""
    return _folder("queries")
