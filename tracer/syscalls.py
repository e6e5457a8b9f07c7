"""System call numbers and names per ABI, and the names of errors.

A number means nothing without its ABI: 1 is ``write`` on x86_64, ``exit`` on i386 and
``io_destroy`` on arm64. The tables are those of the ``system-calls`` package, which are
generated from the kernel's own; they are loaded when a name is first asked for.
"""

from __future__ import annotations

import errno
import functools
import importlib
import os
import re

from tracer.errors import SbtraceError

X32_BIT = 0x40000000
"""__X32_SYSCALL_BIT: set in the number of every x32 call (asm/unistd.h)."""

ABIS = ("x86_64", "i386", "x32", "arm64", "arm")
"""The ABIs that sbtrace names."""

AUDIT_ARCH = {
    "x86_64": 0xC000003E,
    "i386": 0x40000003,
    "x32": 0xC000003E,
    "arm64": 0xC00000B7,
    "arm": 0x40000028,
}
"""AUDIT_ARCH_* of linux/audit.h, as seccomp_data.arch and siginfo.si_arch carry it. x32
has that of x86_64: the number tells them apart."""

ABI_32BIT = frozenset({"i386", "x32", "arm"})
"""ABIs whose registers libseccomp compares as 32 bits."""

FOREIGN_ABIS = {"x86_64": ("i386", "x32"), "arm64": ("arm",)}
"""Which other ABIs a kernel of this native ABI may serve."""

# arm has its calls in "armoabi" as well; the table "arm" is EABI, what Debian's armhf uses.
_MACHINES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "i386": "i386",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
}

# Returned by system calls inside the kernel and seen by tracers, never by the program:
# include/linux/errno.h.
_KERNEL_ERRNOS = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    515: "ENOIOCTLCMD",
    516: "ERESTART_RESTARTBLOCK",
    517: "EPROBE_DEFER",
    518: "EOPENSTALE",
    519: "ENOPARAM",
    521: "EBADHANDLE",
    522: "ENOTSYNC",
    523: "EBADCOOKIE",
    524: "ENOTSUPP",
    525: "ETOOSMALL",
    526: "ESERVERFAULT",
    527: "EBADTYPE",
    528: "EJUKEBOX",
    529: "EIOCBQUEUED",
    530: "ERECALLCONFLICT",
}
# The kernel's tables keep these names for numbers that it does not serve any more, or never did
# (arch/x86/entry/syscalls/syscall_64.tbl: sys_ni_syscall); the package leaves them out.
_X32_RETIRED = {"getpmsg": 181, "putpmsg": 182, "afs_syscall": 183, "tuxcall": 184, "security": 185}
_RETIRED = {
    "x86_64": _X32_RETIRED
    | {
        "uselib": 134, "_sysctl": 156, "create_module": 174, "get_kernel_syms": 177,
        "query_module": 178, "nfsservctl": 180, "vserver": 236,
    },
    "i386": {
        "break": 17, "stty": 31, "gtty": 32, "ftime": 35, "prof": 44, "lock": 53, "mpx": 56,
        "ulimit": 58, "uselib": 86, "profil": 98, "idle": 112, "create_module": 127,
        "get_kernel_syms": 130, "bdflush": 134, "afs_syscall": 137, "_sysctl": 149,
        "query_module": 167, "nfsservctl": 169, "getpmsg": 188, "putpmsg": 189, "vserver": 273,
    },
    "x32": {name: number + X32_BIT for name, number in _X32_RETIRED.items()},
    "arm64": {"nfsservctl": 42},
    "arm": {"uselib": 86, "_sysctl": 149, "nfsservctl": 169, "vserver": 313},
}  # fmt: skip
# A text: re compiles it when it is first needed, which a start seldom does.
_UNNAMED = r"syscall_0x([0-9a-f]{1,8})"


def is_known(machine: str) -> bool:
    """Whether there is a table of system calls for a machine, by its ``uname -m``."""
    return machine in _MACHINES


@functools.cache
def native_abi() -> str:
    """The ABI of this machine's kernel, one of ABIS.

    Raises SbtraceError on a machine whose table sbtrace does not have.
    """
    machine = os.uname().machine
    try:
        return _MACHINES[machine]
    except KeyError:
        raise SbtraceError(
            f"{machine}: no table of system calls for this machine, but for "
            f"{', '.join(sorted(set(_MACHINES.values())))}: only a profile that restricts nothing "
            "works here, such as LEARNING"
        ) from None


def abi_of(abi: str, nr: int) -> str:
    """``x32`` for an x86_64 number that filters take for one of x32; else the ABI as it is.

    That are all from X32_BIT up (libseccomp compares), though x32 has but a few of them.
    """
    # -1 is none: a tracer writes it to have a call skipped, and libseccomp leaves it out.
    is_x32 = abi == "x86_64" and X32_BIT <= nr & 0xFFFFFFFF < 0xFFFFFFFF
    return "x32" if is_x32 else abi


@functools.cache
def _numbers(abi: str) -> dict[str, int]:
    """Name -> number; x32 numbers carry X32_BIT."""
    if abi not in ABIS:
        raise ValueError(f"unknown ABI {abi!r}, not one of {', '.join(ABIS)}")
    # The table's own module: the package's class would load the same, and wrap it.
    module = importlib.import_module(f"system_calls.tables.{abi}")
    table: dict[str, int] = getattr(module, f"syscalls_{abi}")
    return _RETIRED[abi] | table


@functools.cache
def _names(abi: str) -> dict[int, str]:
    return {number: name for name, number in _numbers(abi).items()}


def name(abi: str, nr: int) -> str:
    """The kernel's name of a call, or ``syscall_0x1b3`` where the number has none."""
    return _names(abi).get(nr) or f"syscall_{nr & 0xFFFFFFFF:#x}"


def number(abi: str, name: str) -> int | None:
    """The number of a call on an ABI; None if it has no call of that name.

    ``syscall_0x1d4`` is that number, so that what ``name`` gives can always be given back.
    """
    nr = _numbers(abi).get(name)
    if nr is None and (unnamed := re.fullmatch(_UNNAMED, name)):
        nr = int(unnamed[1], 16)
    return nr


def names(abi: str) -> frozenset[str]:
    """Every name that the ABI's table has."""
    return frozenset(_numbers(abi))


def abis_with(name: str) -> tuple[str, ...]:
    """The ABIs that have a call of this name, in the order of ABIS."""
    return tuple(abi for abi in ABIS if number(abi, name) is not None)


def suggest(abi: str, name: str) -> str | None:
    """The name on this ABI that a misspelt one most resembles; None if none comes near."""
    import difflib

    near = difflib.get_close_matches(name, names(abi), n=1, cutoff=0.6)
    return near[0] if near else None


def errno_name(number: int) -> str:
    """``ENOENT`` for 2, also those that only the kernel sees (512 is ``ERESTARTSYS``).

    A number without a name gives ``errno_4000``.
    """
    return errno.errorcode.get(number) or _KERNEL_ERRNOS.get(number) or f"errno_{number}"


def errno_number(name: str) -> int | None:
    """2 for ``ENOENT``; None for a name that is no error of this system."""
    value = getattr(errno, name, None) if name.startswith("E") else None
    return value if isinstance(value, int) else None


def errno_names() -> list[str]:
    """Every name that ``errno_number`` knows."""
    return sorted(errno.errorcode.values())
