"""The names of packages on the distribution at hand."""

from __future__ import annotations

from pathlib import Path

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_DEBIAN = {"debian", "ubuntu"}
_FEDORA = {"fedora", "rhel", "centos"}


def install(debian: str, fedora: str) -> str:
    """The command that installs a package here; both names where the system is another."""
    family = _family()
    if family & _DEBIAN:
        return f"apt install {debian}"
    if family & _FEDORA:
        return f"dnf install {fedora}"
    return f"install {debian} (Debian, Ubuntu) or {fedora} (Fedora)"


def _family() -> set[str]:
    """ID and ID_LIKE of os-release(5)."""
    for name in _OS_RELEASE:
        try:
            lines = Path(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        fields = dict(line.split("=", 1) for line in lines if "=" in line)
        words = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}"
        return set(words.replace('"', " ").replace("'", " ").split())
    return set()
