"""Byte offsets of kernel fields, from the running kernel's own type information (BTF).

No offset is ever written down: a kernel of another version or configuration lays its
structures out otherwise. libbpf, which libbcc brings along, reads the BTF.
Source: Documentation/bpf/btf.rst, /sys/kernel/btf/vmlinux.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.collectors.kernel.program.libbpf import lib
from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator

BTF_PATH = "/sys/kernel/btf/vmlinux"

_FIELDS = (
    "task_struct.pid",
    "task_struct.tgid",
    "task_struct.mm",
    "task_struct.files",
    "task_struct.signal",
    "task_struct.real_parent",
    "task_struct.exit_code",
    "task_struct.pending.signal",
    "task_struct.blocked",
    "task_struct.ptrace",
    "task_struct.self_exec_id",
    "task_struct.seccomp.mode",
    "task_struct.seccomp.filter",
    "task_struct.seccomp.filter_count",
    "seccomp_filter.cache.allow_native",
    "mm_struct.arg_start",
    "mm_struct.arg_end",
    "mm_struct.start_code",
    "mm_struct.end_code",
    "mm_struct.exe_file",
    "linux_binprm.filename",
    "files_struct.fdt",
    "fdtable.fd",
    "file.f_inode",
    "file.f_path.dentry",
    "file.f_path.mnt",
    "vfsmount.mnt_root",
    "mount.mnt",
    "mount.mnt_parent",
    "mount.mnt_mountpoint",
    "dentry.d_parent",
    "inode.i_ino",
    "inode.i_sb",
    "super_block.s_dev",
    "dentry.d_name.name",
    "signal_struct.flags",
    "signal_struct.group_exit_code",
    "signal_struct.live",
    "signal_struct.shared_pending.signal",
)

# Macro name -> path of the field: what bpf/include/arch.h asks for.
_ARCH_FIELDS = {
    "x86_64": {
        "thread_info_status": "task_struct.thread_info.status",
        "thread_info_syscall_work": "task_struct.thread_info.syscall_work",
    },
    "aarch64": {
        "thread_info_flags": "task_struct.thread_info.flags",
        "pt_regs_syscallno": "pt_regs.syscallno",
        "pt_regs_orig_x0": "pt_regs.orig_x0",
    },
}

_KIND_STRUCT, _KIND_UNION = 4, 5
_KINDS_THROUGH = (8, 9, 10, 11)  # typedef, volatile, const, restrict: name another type


class _Type(ctypes.Structure):
    """struct btf_type, include/uapi/linux/btf.h."""

    _fields_ = (
        ("name_off", ctypes.c_uint32),
        ("info", ctypes.c_uint32),
        ("size_or_type", ctypes.c_uint32),
    )


class _Member(ctypes.Structure):
    """struct btf_member, include/uapi/linux/btf.h."""

    _fields_ = (
        ("name_off", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("offset", ctypes.c_uint32),
    )


_NAMESPACE = ("PIDNS_DEV", "PIDNS_INO")
_PREEMPTIBLE = "PREEMPTIBLE"


def names(machine: str) -> tuple[str, ...]:
    """Return the names in the program of what the running kernel has to say."""
    return (*_NAMESPACE, _PREEMPTIBLE, *_paths(machine))


def kernel_values() -> dict[str, int]:
    """Return ``OFFSET_…`` names with the byte offsets of this kernel's fields.

    Raises KernelError if the kernel has no BTF, or lacks a field that the program needs.
    """
    btf = _Btf()
    try:
        return {name: btf.offset(path) for name, path in _paths(os.uname().machine).items()}
    finally:
        btf.close()


def host_values() -> dict[str, int]:
    """Return what else the program is told of where it runs.

    The PID namespace that sbtrace is in: PIDs are told as seen from there. And whether a task can
    be preempted in the program, which is then skipped for others.
    """
    namespace = Path("/proc/self/ns/pid").stat()
    return {
        **dict(zip(_NAMESPACE, (namespace.st_dev, namespace.st_ino), strict=True)),
        _PREEMPTIBLE: int(is_preemptible(os.uname().release)),
    }


def is_preemptible(release: str) -> bool:
    """Whether callbacks of tracepoints run with preemption on: since Linux 7.0 (a46023d5616e)."""
    major = release.partition(".")[0]
    return major.isdecimal() and int(major) >= 7


def _paths(machine: str) -> dict[str, str]:
    """Return ``OFFSET_…`` names with the fields' paths."""
    paths = {path.replace(".", "_"): path for path in _FIELDS} | _ARCH_FIELDS[machine]
    return {f"OFFSET_{name}": path for name, path in paths.items()}


def _why_unreadable() -> str:
    """Return what is the matter with the kernel's type information."""
    try:
        os.close(os.open(BTF_PATH, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "is not the type information of a kernel"


class _Btf:
    def __init__(self) -> None:
        self._btf = lib.btf__load_vmlinux_btf()
        self._structs: dict[str, int] = {}
        if not self._btf:
            raise KernelError(
                f"{BTF_PATH}: {_why_unreadable()}: a kernel built with CONFIG_DEBUG_INFO_BTF is "
                "needed, and sysfs mounted on /sys"
            )

    def close(self) -> None:
        lib.btf__free(self._btf)

    def offset(self, path: str) -> int:
        """Return the byte offset of a field given as ``struct.field.field``."""
        struct, *fields = path.split(".")
        type_id = self._struct(struct)
        total = 0
        for name in fields:
            found = self._find(type_id, name.encode()) if type_id > 0 else None
            if found is None:
                raise KernelError(f"{BTF_PATH}: this kernel has no {path}, which sbtrace reads")
            type_id, offset = found
            total += offset
        return total

    def _struct(self, name: str) -> int:
        """Return the id of a structure; negative if there is none. libbpf looks at all types."""
        if name not in self._structs:
            found = lib.btf__find_by_name_kind(self._btf, name.encode(), _KIND_STRUCT)
            self._structs[name] = found
        return self._structs[name]

    def _find(self, type_id: int, name: bytes) -> tuple[int, int] | None:
        for member_name, member_type, offset in self._members(type_id):
            if member_name == name:
                return member_type, offset
            if not member_name and (inner := self._find(member_type, name)):
                return inner[0], offset + inner[1]
        return None

    def _members(self, type_id: int) -> Iterator[tuple[bytes, int, int]]:
        address = lib.btf__type_by_id(self._btf, type_id)
        info = _Type.from_address(address)
        kind = (info.info >> 24) & 0x1F
        if kind in _KINDS_THROUGH:
            yield from self._members(info.size_or_type)
        if kind not in (_KIND_STRUCT, _KIND_UNION):
            return
        count, bitfields = info.info & 0xFFFF, info.info >> 31
        members = (_Member * count).from_address(address + ctypes.sizeof(_Type))
        for member in members:
            bits = member.offset & 0xFFFFFF if bitfields else member.offset
            name = lib.btf__name_by_offset(self._btf, member.name_off)
            yield name, member.type, bits // 8
