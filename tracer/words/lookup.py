"""From the words of a condition to registers and numbers: ``socket.domain``, ``AF_UNIX``."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, NamedTuple

from tracer.words import constants
from tracer.words.arguments import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

_BITS = {"h": 16, "i": 32, "u": 32}
_SIGNED = frozenset("il")
# Declared as a long, and the kernel looks at the lower half alone, or refuses the rest:
# kernel/fork.c (lower_32_bits), mm/mmap.c, mm/mprotect.c, fs/namespace.c, ksys_mmap_pgoff.
_NARROW = {
    "clone": ("clone_flags",),
    "mmap": ("prot", "flags", "fd"),
    "mount": ("flags",),
    "mprotect": ("prot",),
    "mremap": ("flags",),
    "pkey_mprotect": ("prot",),
    "remap_file_pages": ("prot", "flags"),
    "unshare": ("unshare_flags",),
}
# What the man pages call them, where the kernel's sources have another name.
_MANUAL = {
    "clone": {"flags": 0, "stack": 1},
    "fcntl": {"op": 1},
    "ioctl": {"request": 1, "op": 1},
    "keyctl": {"operation": 0, "op": 0},
    "kill": {"signal": 1},
    "madvise": {"advice": 2},
    "memfd_create": {"name": 0},
    "personality": {"persona": 0},
    "prctl": {"op": 0},
    "ptrace": {"op": 0},
    "seccomp": {"operation": 0},
    "setns": {"nstype": 1},
    "socket": {"domain": 0},
    "socketpair": {"domain": 0, "sv": 3},
    "tgkill": {"signal": 2, "tid": 1},
    "tkill": {"signal": 1, "tid": 0},
    "unshare": {"flags": 0},
}
# The same calls by names that other ABIs have for them.
_SAME = {"fcntl64": "fcntl", "mmap2": "mmap", "ugetrlimit": "getrlimit"}
IN_MEMORY = frozenset(
    (
        *("mmap", "truncate64", "ftruncate64", "pread64", "pwrite64", "readahead", "fallocate"),
        *("fadvise64", "fadvise64_64", "sync_file_range", "fanotify_mark"),
    )
)
"""The calls whose arguments stand elsewhere on a 32-bit ABI: in memory (i386's mmap), or 64 bits of
them in two registers (syscall(2))."""
_FAMILIES = {
    "AF_ PF_": "socket.family socketpair.family",
    "SOCK_": "socket.type socketpair.type accept4.flags",
    "SOL_ IPPROTO_": "setsockopt.level getsockopt.level",
    "PR_": "prctl.option",
    "CLONE_ SIG": "clone.clone_flags",
    "CLONE_": "unshare.unshare_flags setns.flags",
    "PROT_": "mmap.prot mprotect.prot pkey_mprotect.prot",
    "MAP_": "mmap.flags",
    "MREMAP_": "mremap.flags",
    "MADV_": "madvise.behavior process_madvise.behavior",
    "F_": "fcntl.cmd",
    "SIG": "kill.sig tkill.sig tgkill.sig rt_sigqueueinfo.sig rt_tgsigqueueinfo.sig "
    "pidfd_send_signal.sig rt_sigaction.sig",
    "PER_ ADDR_ MMAP_PAGE_ZERO READ_IMPLIES_EXEC": "personality.personality",
    "BPF_": "bpf.cmd",
    "KEYCTL_": "keyctl.option",
    "PTRACE_": "ptrace.request",
    "SECCOMP_": "seccomp.op",
    "RLIMIT_": "prlimit64.resource setrlimit.resource getrlimit.resource",
    "O_": "open.flags openat.flags pipe2.flags dup3.flags",
    "AT_": "execveat.flags unlinkat.flag linkat.flags",
    "MFD_": "memfd_create.flags",
    "GRND_": "getrandom.flags",
    "MS_": "mount.flags",
    "MNT_ UMOUNT_": "umount2.flags",
    "LINUX_REBOOT_": "reboot.magic1 reboot.magic2 reboot.cmd",
    "PRIO_": "setpriority.which getpriority.which",
    "SCHED_": "sched_setscheduler.policy",
    "ARCH_": "arch_prctl.option",
    "FUTEX_": "futex.op",
    "PERF_FLAG_": "perf_event_open.flags",
}
_PREFIXES = {
    place: tuple(prefixes.split())
    for prefixes, places in _FAMILIES.items()
    for place in places.split()
}


class Argument(NamedTuple):
    """One argument of a call, as a condition names it."""

    index: int  # type: ignore[assignment] # the register's, not tuple.index
    """0 to 5."""
    bits: int
    """How many of the register's bits the kernel takes: 16, 32 or 64."""
    signed: bool
    prefixes: tuple[str, ...]
    """How the words for its values begin; empty where any word will do."""


def argument(call: str, name: str) -> Argument | None:
    """The argument that is so named by the kernel's sources or the man page; None if none is."""
    call = _SAME.get(call, call)
    given = ARGUMENTS.get(call, ())
    index = next((at for at, (own, _) in enumerate(given) if own == name), None)
    if index is None:
        index = _MANUAL.get(call, {}).get(name)
    if index is None:
        return None
    own, kind = given[index]
    bits = 32 if own in _NARROW.get(call, ()) else _BITS.get(kind, 64)
    return Argument(index, bits, kind in _SIGNED, _PREFIXES.get(f"{call}.{own}", ()))


def argument_names(call: str) -> tuple[str, ...]:
    """Every name that an argument of the call has; none for a call that is not in the table."""
    call = _SAME.get(call, call)
    own = [name for name, _ in ARGUMENTS.get(call, ())]
    return tuple(dict.fromkeys([*own, *_MANUAL.get(call, {})]))


def argument_name(call: str, index: int) -> str | None:
    """What an argument is called: by the man page, else by the kernel's sources; None by neither.

    The man pages' own ``op``, which is of many calls, says less than the kernel's name.
    """
    call = _SAME.get(call, call)
    of_manual = [name for name, at in _MANUAL.get(call, {}).items() if at == index and name != "op"]
    own = [name for name, _ in ARGUMENTS.get(call, ())]
    return next(iter([*of_manual, *own[index : index + 1]]), None)


def number(word: str) -> int | None:
    """What a word stands for on this machine, as an unsigned number of 64 bits."""
    return _number(word, arm=os.uname().machine == "aarch64")


@functools.cache
def by_number(words: str, *, arm: bool = False) -> Mapping[int, str]:
    """These words by what they stand for, on arm64 or on x86. Raises KeyError for no word."""
    found = {}
    for word in words.split():
        value = _number(word, arm=arm)
        if value is None:
            raise KeyError(word)
        found[value] = word
    return found


def _number(word: str, *, arm: bool) -> int | None:
    found = constants.ARM64.get(word) if arm else None
    return constants.NUMBERS.get(word) if found is None else found


@functools.cache
def words(prefixes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Every word of these families, or of all."""
    return tuple(word for word in constants.NUMBERS if word.startswith(prefixes or ("",)))
