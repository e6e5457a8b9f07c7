"""What the running kernel offers: BPF, BTF, seccomp."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.host import bpf
from tracer.host.places import is_mounted
from tracer.host.records import Check

if TYPE_CHECKING:
    from collections.abc import Callable

_BTF = Path("/sys/kernel/btf/vmlinux")
_ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")
_UNPRIVILEGED_BPF = Path("/proc/sys/kernel/unprivileged_bpf_disabled")
_MOUNTS = Path("/proc/self/mountinfo")
_WANTED_ACTIONS = ("kill_process", "kill_thread", "trap", "errno", "log", "allow")
_MACHINES = ("x86_64", "aarch64")
_NEWER = "a kernel of Linux 5.15 or later with {} is needed"


def checks() -> list[Check]:
    """Version, BTF, what bpf(2) really does, seccomp, and file systems."""
    return [
        _release(),
        _machine(),
        _btf(),
        _tried("raw tracepoints", bpf.try_raw_tracepoint, "CONFIG_BPF_EVENTS"),
        _tried("task storage", bpf.try_task_storage, "CONFIG_DEBUG_INFO_BTF"),
        _tried("ring buffer", bpf.try_ring_buffer, "CONFIG_BPF_SYSCALL"),
        _unprivileged_bpf(),
        _seccomp(),
        _mounted("cgroup v2", "cgroup2"),
        _mounted("tracefs", "tracefs"),
    ]


def _release() -> Check:
    return Check("kernel", True, "info", platform.release())


def _machine() -> Check:
    machine = platform.machine()
    if machine in _MACHINES:
        return Check("machine", True, "wanted", machine)
    known = " and ".join(_MACHINES)
    return Check("machine", False, "wanted", f"{machine}: full figures are had on {known} alone")


def _btf() -> Check:
    try:
        size = _BTF.stat().st_size
        with _BTF.open("rb"):
            pass
    except OSError as error:
        found = f"{_BTF}: {error.strerror}"
        remedy = _NEWER.format("CONFIG_DEBUG_INFO_BTF")
        return Check("BTF", False, "wanted", found, remedy)
    return Check("BTF", True, "wanted", f"{_BTF} ({size / 2**20:.1f} MiB)")


def _tried(name: str, attempt: Callable[[], None], option: str) -> Check:
    if platform.machine() not in _MACHINES:
        return Check(name, None, "wanted", f"not tried: not on {platform.machine()}")
    if os.geteuid() != 0:
        return Check(name, None, "wanted", "not tried: it takes root", "run it with sudo")
    try:
        attempt()
    except PermissionError as error:
        remedy = "kernel lockdown, a security module or the container forbids bpf(2): allow it"
        return Check(name, False, "wanted", f"refused: {error.strerror}", remedy)
    except OSError as error:
        return Check(name, False, "wanted", f"fails: {error.strerror}", _NEWER.format(option))
    return Check(name, True, "wanted", "works (tried)")


def _unprivileged_bpf() -> Check:
    meaning = {"0": "everyone may", "1": "root only, for good", "2": "root only"}
    value = _first_line(_UNPRIVILEGED_BPF)
    found = "unknown" if value is None else f"{meaning.get(value, '?')} ({value})"
    return Check("unprivileged BPF", True, "info", found)


def _seccomp() -> Check:
    text = _first_line(_ACTIONS)
    if text is None:
        remedy = _NEWER.format("CONFIG_SECCOMP_FILTER")
        return Check("seccomp", False, "wanted", f"{_ACTIONS} is missing", remedy)
    missing = [action for action in _WANTED_ACTIONS if action not in text.split()]
    if missing:
        remedy = _NEWER.format("CONFIG_SECCOMP_FILTER")
        return Check("seccomp", False, "wanted", f"without {', '.join(missing)}", remedy)
    return Check("seccomp", True, "wanted", text)


def _mounted(name: str, kind: str) -> Check:
    words = {True: "mounted", False: "not mounted", None: "unknown"}
    return Check(name, True, "info", f"{words[is_mounted(kind, _MOUNTS)]} (not needed)")


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
