"""What the figures were measured on: hardware, kernel, versions, and how busy it was."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import tracer
from tracer.collectors.kernel.program import libbpf

VERSIONS = {
    "strace": ("strace", "-V"),
    "perf": ("perf", "--version"),
    "bpftrace": ("bpftrace", "--version"),
    "bcc": ("dpkg-query", "-W", "-f", "bcc ${Version}", "python3-bpfcc"),
}


def describe() -> dict[str, str]:
    """Return name -> one line of text: what stays as it is."""
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
    }


def busy() -> str:
    """Say how busy the machine is now, and what else would slow a call down."""
    return f"load {os.getloadavg()[0]:.2f}, {_links_of_others()}"


def _links_of_others() -> str:
    """Say how many BPF programs are attached: whatever is, slows every call down."""
    last, found = ctypes.c_uint32(0), 0
    while libbpf.lib.bpf_link_get_next_id(last, ctypes.byref(last)) == 0:
        found += 1
    return f"{found} BPF programs attached: NO FIGURE HOLDS" if found else "no BPF of others"


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
