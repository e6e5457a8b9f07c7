"""Who sbtrace is, and what that lets it do."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from tracer.host.records import Check

# linux/capability.h
_CAPABILITIES = {
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, linux/proc_ns.h


def checks() -> list[Check]:
    """User, capabilities and namespaces."""
    return [_user(), _capabilities(), _pid_namespace(), _memlock()]


def _user() -> Check:
    uid = os.geteuid()
    if uid == 0:
        by = os.environ.get("SUDO_USER")
        return Check("user", True, "wanted", f"root, by sudo of {by}" if by else "root")
    return Check(
        "user",
        False,
        "wanted",
        f"uid {uid}: runs have the baseline only, no syscalls",
        "run it with sudo",
    )


def _capabilities() -> Check:
    held = _effective()
    if held is None:
        return Check("capabilities", None, "wanted", "/proc/self/status is not readable")
    names = {name for name, bit in _CAPABILITIES.items() if held >> bit & 1}
    # Before CAP_BPF and CAP_PERFMON (Linux 5.8), and still, CAP_SYS_ADMIN gives both.
    ok = "CAP_SYS_ADMIN" in names or {"CAP_BPF", "CAP_PERFMON"} <= names
    found = ", ".join(name for name in _CAPABILITIES if name in names) or "none that matter"
    if ok:
        return Check("capabilities", True, "wanted", found)
    if os.geteuid() != 0:
        return Check("capabilities", False, "wanted", found, "run it with sudo")
    return Check(
        "capabilities",
        False,
        "wanted",
        f"{found}: root without CAP_BPF and CAP_PERFMON",
        "give the container --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE",
    )


def _effective() -> int | None:
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return None


def _pid_namespace() -> Check:
    try:
        number = Path("/proc/self/ns/pid").stat().st_ino
    except OSError as error:
        return Check("pid namespace", None, "info", f"unknown: {error.strerror}")
    which = "the host's" if number == _INITIAL_PID_NAMESPACE else "one of its own (a container)"
    return Check("pid namespace", True, "info", which)


def _memlock() -> Check:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    found = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft // 1024} KiB"
    return Check("locked memory", True, "info", f"{found} (BPF does not count since Linux 5.11)")
