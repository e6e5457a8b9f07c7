"""What the figures were measured on: hardware, kernel, versions, and how busy it was."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import tracer

VERSIONS = {
    "strace": ("strace", "-V"),
    "perf": ("perf", "--version"),
    "bpftrace": ("bpftrace", "--version"),
    "bcc": ("dpkg-query", "-W", "-f", "bcc ${Version}", "python3-bpfcc"),
}


def describe() -> dict[str, str]:
    """Return name -> one line of text, as it was when the bench began."""
    tools = [line for command in VERSIONS.values() if (line := _first_line(command))]
    python = platform.python_version()
    commit = _first_line(
        ("git", "-C", os.fspath(Path(__file__).parent), "rev-parse", "--short", "HEAD")
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB",
        "kernel": f"{platform.release()} {platform.machine()}",
        "sbtrace": f"{tracer.__version__} ({commit or 'no commit'}), Python {python}",
        "peers": "; ".join(tools),
        "load": f"{os.getloadavg()[0]:.2f} before",
    }


def _first_line(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip().partition("\n")[0]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
