"""What can be dangerous in the kernel's calls, class by class, each with who says so.

Sources: ``systemd`` is a group of systemd.exec(5) that systemd-analyze weighs; ``Docker`` the table
of reasons in https://docs.docker.com/engine/security/seccomp/; ``Confine`` the CVEs of Ghavamnia et
al., RAID 2020; ``man`` a page of the kernel's manual.
"""

from __future__ import annotations

from typing import NamedTuple


class Try(NamedTuple):
    """A call that a class asks about."""

    name: str
    args: tuple[int, ...] | None = None
    """The arguments that make it dangerous; None: any."""
    words: str = ""
    """How the call is shown; its name where this is empty."""


class Risk(NamedTuple):
    """One class of calls."""

    name: str
    why: str
    """What somebody could do with them."""
    sources: tuple[str, ...]
    tries: tuple[Try, ...]


def _calls(names: str) -> tuple[Try, ...]:
    return tuple(Try(name) for name in names.split())


_NEW_USER = 0x1000_0000  # CLONE_NEWUSER
_WRITE_AND_EXECUTE = 6  # PROT_WRITE|PROT_EXEC
_RAW = 3  # SOCK_RAW

RISKS = (
    Risk(
        "modules",
        "code into the kernel (needs CAP_SYS_MODULE)",
        ("systemd @module", "Docker: init_module, finit_module, delete_module"),
        _calls("init_module finit_module delete_module"),
    ),
    Risk(
        "kexec and reboot",
        "another kernel, or none (needs CAP_SYS_BOOT)",
        ("systemd @reboot", "Docker: kexec_load, kexec_file_load, reboot"),
        _calls("kexec_load kexec_file_load reboot"),
    ),
    Risk(
        "mounts",
        "another view of files, for what comes after",
        ("systemd @mount", "Docker: mount, umount2, pivot_root", "Confine: CVE-2014-7970"),
        _calls(
            "mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig "
            "fsmount fspick mount_setattr"
        ),
    ),
    Risk(
        "user namespaces",
        "every capability within one of one's own, and so the kernel's least tried code",
        ("Docker: clone, unshare, setns", "Confine: CVE-2013-1858", "man user_namespaces(7)"),
        (
            Try("unshare", (_NEW_USER,), "unshare(CLONE_NEWUSER)"),
            Try("clone", (_NEW_USER,), "clone(CLONE_NEWUSER)"),
            Try("clone3"),
            Try("setns"),
        ),
    ),
    Risk(
        "other processes",
        "their memory, registers and files",
        ("systemd @debug", "Docker: ptrace, process_vm_readv, process_vm_writev, kcmp"),
        _calls("ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp"),
    ),
    Risk(
        "bpf",
        "programs in the kernel, and a verifier that has had many faults",
        ("systemd @privileged", "Docker: bpf"),
        _calls("bpf"),
    ),
    Risk(
        "perf",
        "counters and samples of what others do",
        ("systemd @debug", "Docker: perf_event_open", "Confine: CVE-2017-6001"),
        _calls("perf_event_open"),
    ),
    Risk(
        "keyrings",
        "keys that no namespace holds apart",
        (
            "Docker: add_key, request_key, keyctl",
            "Confine: CVE-2009-3624, CVE-2015-7550, CVE-2016-0728, CVE-2016-9604, CVE-2017-12192",
        ),
        _calls("add_key request_key keyctl"),
    ),
    Risk(
        "network",
        "a way out of the machine, or to its services",
        ("systemd @network-io",),
        (
            Try("socket", (2, 1), "socket(AF_INET, SOCK_STREAM)"),
            Try("socket", (10, 1), "socket(AF_INET6, SOCK_STREAM)"),
            Try("socket", (1, 1), "socket(AF_UNIX, SOCK_STREAM)"),
            Try("connect"),
            Try("bind"),
        ),
    ),
    Risk(
        "raw and rare sockets",
        "packets as one likes, and protocols that few people look at",
        ("Confine: CVE-2016-8655, CVE-2017-7308, CVE-2017-6074", "man packet(7), vsock(7)"),
        (
            Try("socket", (17, _RAW), "socket(AF_PACKET, SOCK_RAW)"),
            Try("socket", (2, _RAW), "socket(AF_INET, SOCK_RAW)"),
            Try("socket", (16, _RAW), "socket(AF_NETLINK, SOCK_RAW)"),
            Try("socket", (38, 5), "socket(AF_ALG, SOCK_SEQPACKET)"),
            Try("socket", (40, 1), "socket(AF_VSOCK, SOCK_STREAM)"),
        ),
    ),
    Risk(
        "io_uring",
        "calls that pass no filter, and code that is new",
        ("Docker: io_uring_setup, io_uring_enter, io_uring_register", "man io_uring(7)"),
        _calls("io_uring_setup io_uring_enter io_uring_register"),
    ),
    Risk(
        "userfaultfd",
        "the kernel held up in the midst of a copy: what exploits of races ask for",
        ("Docker: userfaultfd",),
        _calls("userfaultfd"),
    ),
    Risk(
        "clocks",
        "the time of the whole machine (needs CAP_SYS_TIME)",
        ("systemd @clock", "Docker: clock_adjtime, clock_settime, settimeofday"),
        _calls("settimeofday clock_settime clock_adjtime adjtimex"),
    ),
    Risk(
        "ports and devices",
        "hardware past the kernel (needs CAP_SYS_RAWIO)",
        ("systemd @raw-io", "Docker: ioperm, iopl"),
        _calls("ioperm iopl"),
    ),
    Risk(
        "swap, accounts and quotas",
        "resources of the whole machine (needs CAP_SYS_ADMIN or CAP_SYS_PACCT)",
        ("systemd @swap, @privileged", "Docker: swapon, swapoff, acct, quotactl"),
        _calls("swapon swapoff acct quotactl quotactl_fd"),
    ),
    Risk(
        "files by handle",
        "files past the folders that lead to them: how containers were left in 2014",
        ("Docker: open_by_handle_at, name_to_handle_at",),
        _calls("open_by_handle_at"),
    ),
    Risk(
        "files of all",
        "every access on a file system is told, or held up",
        ("systemd @privileged", "man fanotify(7)"),
        _calls("fanotify_init"),
    ),
    Risk(
        "memory of others",
        "where pages of other processes lie",
        ("Docker: move_pages, mbind, set_mempolicy", "Confine: CVE-2017-14140"),
        (Try("move_pages", (1,), "move_pages(1)"), Try("migrate_pages", (1,), "migrate_pages(1)")),
    ),
    Risk(
        "old calls",
        "what is there for programs of the nineties, or has no code any more",
        ("systemd @obsolete, @cpu-emulation", "Docker: uselib, ustat, sysfs, _sysctl, modify_ldt"),
        _calls("modify_ldt uselib ustat sysfs _sysctl vhangup lookup_dcookie nfsservctl"),
    ),
    Risk(
        "the kernel's log",
        "addresses and messages of the kernel",
        ("systemd @privileged", "man syslog(2)"),
        _calls("syslog"),
    ),
    Risk(
        "code that is made",
        "memory that can be written and executed: shellcode, and every JIT",
        ("systemd MemoryDenyWriteExecute=",),
        (
            Try("mmap", (0, 4096, _WRITE_AND_EXECUTE, 0x22), "mmap(PROT_WRITE|PROT_EXEC)"),
            Try("mprotect", (0, 4096, _WRITE_AND_EXECUTE), "mprotect(PROT_WRITE|PROT_EXEC)"),
            Try("pkey_mprotect", (0, 4096, _WRITE_AND_EXECUTE), "pkey_mprotect(…)"),
        ),
    ),
    Risk(
        "other programs",
        "any file that can be executed, a shell too; the filter stays",
        ("systemd @process",),
        _calls("execve execveat"),
    ),
    Risk(
        "another user",
        "what the target's user may become (needs CAP_SETUID or CAP_SETGID)",
        ("systemd @setuid, @privileged",),
        _calls("setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid"),
    ),
    Risk(
        "terminal",
        "keys into the terminal that sbtrace was started from",
        ("man ioctl_tty(2): TIOCSTI, TIOCLINUX",),
        (
            Try("ioctl", (0, 0x5412), "ioctl(TIOCSTI)"),
            Try("ioctl", (0, 0x541C), "ioctl(TIOCLINUX)"),
        ),
    ),
)

CVES: dict[str, str] = {
    "CVE-2009-3624": "keyctl",
    "CVE-2010-4072": "shmctl",
    "CVE-2010-4083": "semctl",
    "CVE-2010-4250": "inotify_init1",
    "CVE-2012-3375": "epoll_ctl",
    "CVE-2012-3511": "madvise",
    "CVE-2013-1858": "unshare",
    "CVE-2014-7970": "pivot_root",
    "CVE-2014-9903": "sched_getattr",
    "CVE-2015-2686": "sendto recvfrom",
    "CVE-2015-7550": "keyctl",
    "CVE-2015-7613": "shmget semget msgget",
    "CVE-2016-0728": "add_key request_key keyctl",
    "CVE-2016-4997": "setsockopt",
    "CVE-2016-7911": "ioprio_get",
    "CVE-2016-8655": "setsockopt",
    "CVE-2016-9604": "keyctl",
    "CVE-2016-9793": "setsockopt",
    "CVE-2017-5123": "waitid",
    "CVE-2017-6001": "perf_event_open",
    "CVE-2017-6074": "setsockopt",
    "CVE-2017-7308": "setsockopt",
    "CVE-2017-12192": "keyctl",
    "CVE-2017-14140": "move_pages",
    "CVE-2017-14954": "waitid",
    "CVE-2017-15274": "add_key keyctl",
    "CVE-2017-18208": "madvise",
    "CVE-2018-13053": "clock_nanosleep",
    "CVE-2019-9857": "inotify_add_watch",
}
"""The calls that each is reached by. From cve.files/cve.to.syscall.manual of
github.com/shamedgh/confine (copyright 2020 Seyedhamed Ghavamnia, MIT licence): their choice of what
a filter can close, up to 2019. A CVE is closed if all of its calls are refused."""
