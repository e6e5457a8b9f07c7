"""Calls that failed because sbtrace took a right from the target, as far as can be told.

The kernel says no more than EPERM or EACCES. capabilities(7) and the kernel's code tell which
capability would have let a call through. But the mode of a file or an argument may have been the
cause as well. So the report says "may" everywhere.
"""

from __future__ import annotations

import errno
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tracer.report import units
from tracer.report.layout import tied

if TYPE_CHECKING:
    from tracer.model import Run, RunRecord
    from tracer.report.layout import Sheet

_PATHS = """
    access chdir chmod chown creat execve execveat faccessat faccessat2 fchmodat fchmodat2 fchownat
    futimesat getxattr inotify_add_watch lchown lgetxattr link linkat listxattr lstat mkdir mkdirat
    mknod mknodat name_to_handle_at newfstatat open openat openat2 readlink readlinkat rename
    renameat renameat2 rmdir setxattr lsetxattr removexattr stat statfs statx symlink symlinkat
    truncate unlink unlinkat utime utimensat utimes
"""
_READING = "open openat openat2 access faccessat faccessat2 chdir stat lstat newfstatat statx"
_SET_USER = "setuid setreuid setresuid"
_SET_GROUP = "setgid setregid setresgid setgroups"
_PRIORITY = "sched_setaffinity sched_setattr sched_setparam sched_setscheduler"

# By error: each capability, and the calls that the kernel fails with the error where it is missing.
_NEEDS: dict[int, dict[str, str]] = {
    errno.EPERM: {
        "CHOWN": "chown fchown lchown fchownat",
        "FOWNER": "chmod fchmod fchmodat fchmodat2 utime utimes utimensat futimesat unlink unlinkat"
        " rename renameat renameat2 rmdir link linkat setxattr lsetxattr fsetxattr removexattr open"
        " openat openat2 fcntl ioctl",
        "KILL": "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal",
        "SETUID": _SET_USER,
        "SETGID": _SET_GROUP,
        "SETPCAP": "capset prctl",
        "LINUX_IMMUTABLE": "ioctl",
        "NET_ADMIN": "ioctl setsockopt",
        "NET_RAW": "socket setsockopt",
        "IPC_LOCK": "mlock mlock2 mlockall shmctl memfd_create",
        "SYS_MODULE": "init_module finit_module delete_module",
        "SYS_RAWIO": "iopl ioperm ioctl",
        "SYS_CHROOT": "chroot setns",
        "SYS_PTRACE": "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp process_madvise",
        "SYS_PACCT": "acct",
        "SYS_ADMIN": "mount umount2 pivot_root move_mount fsopen fsmount fsconfig fspick open_tree"
        " mount_setattr sethostname setdomainname swapon swapoff unshare setns clone clone3"
        " quotactl fanotify_init keyctl bpf perf_event_open ioctl setxattr lsetxattr fsetxattr"
        " removexattr msgctl semctl shmctl ioprio_set",
        "BPF": "bpf",
        "PERFMON": "bpf perf_event_open",
        "SYS_BOOT": "reboot kexec_load kexec_file_load",
        "SYS_NICE": f"{_PRIORITY} setpriority ioprio_set migrate_pages move_pages mbind",
        "SYS_RESOURCE": "setrlimit prlimit64 mq_open fcntl prctl",
        "SYS_TIME": "settimeofday clock_settime adjtimex clock_adjtime",
        "SYS_TTY_CONFIG": "vhangup ioctl",
        "MKNOD": "mknod mknodat",
        "SETFCAP": "setxattr lsetxattr fsetxattr",
        "SYSLOG": "syslog",
        "WAKE_ALARM": "timer_create timerfd_create clock_nanosleep",
        "DAC_READ_SEARCH": "open_by_handle_at",
    },
    errno.EACCES: {
        "DAC_OVERRIDE": _PATHS,
        "DAC_READ_SEARCH": _READING,
        "NET_BIND_SERVICE": "bind",
        "LEASE": "fcntl",
        "SYS_NICE": "setpriority",
        "SYS_ADMIN": "seccomp",
        "PERFMON": "perf_event_open",
        "IPC_OWNER": "msgget msgsnd msgrcv msgctl semget semop semtimedop semctl shmget shmat"
        " shmctl",
    },
}
_OF_SETUID_PROGRAMS = frozenset(f"{_SET_USER} {_SET_GROUP}".split())
_MOST_NAMED = 2


class Denial(NamedTuple):
    """One syscall and error that a right taken from the target may explain."""

    syscall: str
    errno_name: str
    failed: int
    """Times that the kernel, not the filter, returned the error."""
    capabilities: tuple[str, ...]
    """Capabilities that the kernel asks for there and that the target lost, as ``CAP_CHOWN``."""
    no_new_privs: bool
    """Whether a setuid program would have had the right if no_new_privs were not set."""


def denials(record: RunRecord) -> list[Denial]:
    """What of the run's errors its lost rights may explain, most frequent first."""
    run = record.run
    lost = frozenset(run.dropped_capabilities or ())
    sums: dict[tuple[str, int, str], int] = {}
    for row in record.syscall_errors:
        if row.failed and row.errno in _NEEDS:
            key = (row.name, row.errno, row.errno_name)
            sums[key] = sums.get(key, 0) + row.failed
    found = [
        Denial(name, errno_name, failed, _wanted(name, number, lost), _by_setuid(run, name))
        for (name, number, errno_name), failed in sums.items()
    ]
    found = [denial for denial in found if denial.capabilities or denial.no_new_privs]
    return sorted(found, key=lambda denial: (-denial.failed, denial.syscall))


def fields(sheet: Sheet, record: RunRecord, *, most: int | None = None) -> None:
    """A line for each denial, or for the ``most`` frequent and how many more there are."""
    found = denials(record)
    texts = [words(denial, record.run) for denial in found[:most]]
    if len(texts) < len(found):
        texts.append(f"{len(found) - len(texts)} more: {tied(f'sbtrace why {record.run.run_id}')}")
    for index, text in enumerate(texts):
        sheet.field("" if index else "denied", text)


def words(denial: Denial, run: Run) -> str:
    """``chown failed 3 times with EPERM: …``, with the option that would give the right."""
    times = "once" if denial.failed == 1 else f"{units.count(denial.failed)} times"
    start = f"{denial.syscall} failed {times} with {denial.errno_name}: maybe because "
    if not denial.capabilities:
        return start + "setuid programs give no rights here (no_new_privs, which a filter needs)"
    names = [name.removeprefix("CAP_") for name in denial.capabilities[:_MOST_NAMED]]
    other = "--user root" if run.target_uid else "--cap keep"
    return (
        f"{start}the target has no {' or '.join(denial.capabilities[:_MOST_NAMED])}"
        f" (--cap {','.join(names)}, or {other})"
    )


def _wanted(name: str, number: int, lost: frozenset[str]) -> tuple[str, ...]:
    return tuple(cap for cap in _by_call(number).get(name, ()) if cap in lost)


def _by_setuid(run: Run, name: str) -> bool:
    return bool(run.no_new_privs) and name in _OF_SETUID_PROGRAMS


@cache
def _by_call(number: int) -> dict[str, tuple[str, ...]]:
    """Call -> the capabilities, the most particular first: that with the fewest calls."""
    found: dict[str, tuple[str, ...]] = {}
    for cap, calls in sorted(_NEEDS[number].items(), key=lambda item: len(item[1].split())):
        for name in calls.split():
            found[name] = (*found.get(name, ()), f"CAP_{cap}")
    return found
