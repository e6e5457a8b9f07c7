"""Classes of activity that matter for security: by which calls each is told, and what ends it.

A sign is written as a profile writes it: calls, and conditions on their arguments in the kernel's
words. So the entry that would refuse a sign is the sign itself. Sources: ``systemd`` is a group or
a setting of systemd.exec(5); ``Docker`` the table of reasons in
https://docs.docker.com/engine/security/seccomp/; ``Confine`` the CVEs of Ghavamnia et al., RAID
2020; ``man`` a page of the kernel's manual.
"""

from __future__ import annotations

from typing import NamedTuple


class Sign(NamedTuple):
    """Calls by which a class is told."""

    calls: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    """All must hold; empty: whatever the arguments. Only arguments that every run records."""
    examples: tuple[tuple[int, ...], ...] = ()
    """Arguments for which the conditions hold: what a filter is asked about."""


class Activity(NamedTuple):
    """One class of activity."""

    name: str
    why: str
    """What it can be used for."""
    sources: tuple[str, ...]
    signs: tuple[Sign, ...]
    capabilities: tuple[str, ...] = ()
    """Without these the kernel itself refuses what is dangerous in it."""
    systemd: tuple[str, ...] = ()
    """Settings of a unit that take it away."""
    hidden: tuple[str, ...] = ()
    """Calls that may do it by what lies in memory, which is not recorded."""


def _calls(names: str) -> Sign:
    return Sign(tuple(names.split()))


def _if(name: str, *conditions: str, args: tuple[tuple[int, ...], ...]) -> Sign:
    return Sign((name,), conditions, args)


_NEW_USER, _STREAM, _RAW = 0x1000_0000, 1, 3
_WRITE_EXEC, _READ_EXEC, _PRIVATE_ANONYMOUS = 6, 5, 0x22


_NAMESPACES = (
    "CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET"
)
NEW_PROGRAMS = "new programs"
ACTIVITIES = (
    Activity(
        "privileges",
        "another user or group, or other capabilities",
        ("systemd @setuid", "man capabilities(7)"),
        (
            _calls(
                "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid "
                "capset"
            ),
            _if(
                "prctl", "prctl.option in [PR_SET_SECUREBITS, PR_CAP_AMBIENT]", args=((28,), (47,))
            ),
        ),
        ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"),
        ("NoNewPrivileges=yes", "SystemCallFilter=~@setuid", "CapabilityBoundingSet="),
    ),
    Activity(
        "modules and kernel images",
        "code into the kernel, or another kernel",
        (
            "systemd @module, @reboot",
            "Docker: init_module, finit_module, delete_module, kexec_load",
        ),
        (_calls("init_module finit_module delete_module kexec_load kexec_file_load"),),
        ("CAP_SYS_MODULE", "CAP_SYS_BOOT"),
        ("ProtectKernelModules=yes", "SystemCallFilter=~@module @reboot"),
    ),
    Activity(
        "mounts",
        "another view of files, for what comes after",
        ("systemd @mount", "Docker: mount, umount2, pivot_root"),
        (
            _calls(
                "mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen "
                "fsconfig fsmount fspick mount_setattr"
            ),
        ),
        ("CAP_SYS_ADMIN", "CAP_SYS_CHROOT"),
        ("SystemCallFilter=~@mount",),
    ),
    Activity(
        "namespaces",
        "every capability within a namespace of one's own, and the kernel's least tried code",
        ("Docker: clone, unshare, setns", "man user_namespaces(7)"),
        (
            _calls("setns"),
            _if("unshare", f"unshare.unshare_flags & {_NAMESPACES} != 0", args=((_NEW_USER,),)),
            _if("clone", f"clone.flags & {_NAMESPACES} != 0", args=((_NEW_USER,),)),
        ),
        ("CAP_SYS_ADMIN",),
        ("RestrictNamespaces=yes",),
        ("clone3",),
    ),
    Activity(
        "tracing of others",
        "memory, registers and files of other processes",
        ("systemd @debug", "Docker: ptrace, process_vm_readv, process_vm_writev, kcmp"),
        (_calls("ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp"),),
        ("CAP_SYS_PTRACE",),
        ("SystemCallFilter=~@debug",),
    ),
    Activity(
        "raw and packet sockets",
        "packets as one likes, and those of others",
        ("man raw(7), packet(7)", "Confine: CVE-2016-8655, CVE-2017-7308"),
        (
            _if("socket", "socket.domain == AF_PACKET", args=((17, _RAW),)),
            _if(
                "socket",
                "socket.domain in [AF_INET, AF_INET6]",
                "socket.type & 0xf == SOCK_RAW",
                args=((2, _RAW), (10, _RAW)),
            ),
        ),
        ("CAP_NET_RAW",),
        ("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",),
    ),
    Activity(
        "rare sockets",
        "protocols that few people look at",
        ("man vsock(7)", "Confine: CVE-2017-6074"),
        (
            _if(
                "socket",
                "socket.domain in [AF_ALG, AF_VSOCK, AF_TIPC, AF_RDS, AF_CAN]",
                args=((38, 5), (40, _STREAM), (30, _STREAM), (21, 5), (29, _RAW)),
            ),
        ),
        (),
        ("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",),
    ),
    Activity(
        "network",
        "a way out of the machine, or to its services",
        ("systemd @network-io",),
        (
            _if(
                "socket", "socket.domain in [AF_INET, AF_INET6]", args=((2, _STREAM), (10, _STREAM))
            ),
        ),
        (),
        ("PrivateNetwork=yes", "IPAddressDeny=any"),
    ),
    Activity(
        "keyrings",
        "keys that no namespace holds apart",
        ("systemd @keyring", "Docker: add_key, request_key, keyctl", "Confine: CVE-2016-0728"),
        (_calls("add_key request_key keyctl"),),
        (),
        ("SystemCallFilter=~@keyring", "KeyringMode=private"),
    ),
    Activity(
        "bpf",
        "programs in the kernel, and a verifier that has had many faults",
        ("systemd @privileged", "Docker: bpf"),
        (_calls("bpf"),),
        ("CAP_BPF",),
        ("SystemCallFilter=~bpf",),
    ),
    Activity(
        "perf",
        "counters and samples of what others do",
        ("systemd @debug", "Docker: perf_event_open"),
        (_calls("perf_event_open"),),
        ("CAP_PERFMON",),
        ("SystemCallFilter=~perf_event_open",),
    ),
    Activity(
        "io_uring",
        "operations that pass no filter, and code that is new",
        ("Docker: io_uring_setup, io_uring_enter, io_uring_register", "man io_uring(7)"),
        (_calls("io_uring_setup io_uring_enter io_uring_register"),),
        (),
        ("SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register",),
    ),
    Activity(
        "executable memory",
        "code that the program made itself: a JIT, and shellcode",
        ("systemd MemoryDenyWriteExecute=",),
        (
            _if(
                "mmap",
                "mmap.prot & PROT_WRITE|PROT_EXEC == PROT_WRITE|PROT_EXEC",
                args=((0, 4096, _WRITE_EXEC, _PRIVATE_ANONYMOUS),),
            ),
            _if(
                "mprotect", "mprotect.prot & PROT_EXEC == PROT_EXEC", args=((0, 4096, _READ_EXEC),)
            ),
            _calls("pkey_mprotect"),
        ),
        (),
        ("MemoryDenyWriteExecute=yes",),
    ),
    Activity(
        NEW_PROGRAMS,
        "any file that can be executed, a shell too",
        ("systemd @process",),
        (_calls("execve execveat"),),
        (),
        ("NoExecPaths=/",),
    ),
    Activity(
        "no address randomisation",
        "addresses that an attacker can foresee",
        ("man personality(2)", "Docker: personality"),
        (
            _if(
                "personality",
                "personality.personality & ADDR_NO_RANDOMIZE == ADDR_NO_RANDOMIZE",
                "personality.personality != 0xffffffff",  # that asks, and changes nothing
                args=((0x4_0000,),),
            ),
        ),
        (),
        ("LockPersonality=yes",),
    ),
    Activity(
        "terminal",
        "keys into the terminal that the program was started from",
        ("man ioctl_tty(2)",),
        (_if("ioctl", "ioctl.cmd in [TIOCSTI, TIOCLINUX]", args=((0, 0x5412), (0, 0x541C))),),
        ("CAP_SYS_ADMIN",),
        ("StandardInput=null",),
    ),
    Activity(
        "files by handle",
        "files past the folders that lead to them: how containers were left in 2014",
        ("Docker: open_by_handle_at",),
        (_calls("open_by_handle_at"),),
        ("CAP_DAC_READ_SEARCH",),
        ("SystemCallFilter=~open_by_handle_at",),
    ),
    Activity(
        "watching of files",
        "every access on a file system is told, or held up",
        ("man fanotify(7)",),
        (_calls("fanotify_init"),),
        ("CAP_SYS_ADMIN",),
        ("SystemCallFilter=~fanotify_init",),
    ),
    Activity(
        "held up page faults",
        "the kernel held up in the midst of a copy: what exploits of races ask for",
        ("Docker: userfaultfd",),
        (_calls("userfaultfd"),),
        ("CAP_SYS_PTRACE",),
        ("SystemCallFilter=~userfaultfd",),
    ),
    Activity(
        "the kernel's log",
        "addresses and messages of the kernel",
        ("man syslog(2)",),
        (_calls("syslog"),),
        ("CAP_SYSLOG",),
        ("ProtectKernelLogs=yes",),
    ),
    Activity(
        "clock",
        "the time of the whole machine",
        ("systemd @clock", "Docker: clock_settime, settimeofday"),
        (_calls("settimeofday clock_settime"),),
        ("CAP_SYS_TIME",),
        ("ProtectClock=yes",),
    ),
    Activity(
        "ports and devices",
        "hardware past the kernel",
        ("systemd @raw-io", "Docker: ioperm, iopl"),
        (_calls("ioperm iopl"),),
        ("CAP_SYS_RAWIO",),
        ("SystemCallFilter=~@raw-io",),
    ),
    Activity(
        "swap, accounts and quotas",
        "resources of the whole machine",
        ("systemd @swap, @privileged", "Docker: swapon, swapoff, acct, quotactl"),
        (_calls("swapon swapoff acct quotactl quotactl_fd"),),
        ("CAP_SYS_ADMIN", "CAP_SYS_PACCT"),
        ("SystemCallFilter=~@swap acct quotactl quotactl_fd",),
    ),
)


def entry(sign: Sign) -> str:
    """The entry of a profile that refuses the sign, as TOML."""
    names = ", ".join(f'"{name}"' for name in sign.calls)
    if not sign.conditions:
        return f"[errno]\nEPERM = [{names}]\n"
    conditions = ", ".join(f'"{condition}"' for condition in sign.conditions)
    return f'[[rule]]\nsyscalls = [{names}]\naction = "errno:EPERM"\nargs = [{conditions}]\n'
