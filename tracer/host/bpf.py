"""Tries of bpf(2) itself, by the smallest program and map there are: no bcc, no clang."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tracer import linux

if TYPE_CHECKING:
    from collections.abc import Iterator

_NR_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _PROG_LOAD, _RAW_TRACEPOINT_OPEN, _BTF_LOAD = 0, 5, 17, 18
_MAP_TYPE_RINGBUF, _MAP_TYPE_TASK_STORAGE = 27, 29
_PROG_TYPE_RAW_TRACEPOINT = 17
_F_NO_PREALLOC = 1
_ATTR_BYTES = 128

# r0 = 0; exit. (linux/bpf.h: struct bpf_insn)
_RETURN_ZERO = struct.pack("<BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)


def _btf_of_int() -> bytes:
    """BTF with one type, ``int``: a task storage must say what its key and value are."""
    strings = b"\0int\0"
    # struct btf_type: name, kind INT << 24, bytes; then encoding: signed, 32 bits
    types = struct.pack("<IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings


def try_raw_tracepoint(name: bytes = b"sys_enter") -> None:
    """Load a program and attach it to a raw tracepoint, for an instant. Raises OSError."""
    insns, licence = ctypes.create_string_buffer(_RETURN_ZERO), ctypes.create_string_buffer(b"GPL")
    load = struct.pack(
        "<IIQQ", _PROG_TYPE_RAW_TRACEPOINT, 2, ctypes.addressof(insns), ctypes.addressof(licence)
    )
    point = ctypes.create_string_buffer(name)
    with _descriptor(_PROG_LOAD, load) as program:
        attach = struct.pack("<QI", ctypes.addressof(point), program)
        with _descriptor(_RAW_TRACEPOINT_OPEN, attach):
            pass


def try_task_storage() -> None:
    """Create a map in BPF task storage, for an instant. Raises OSError."""
    data = ctypes.create_string_buffer(_btf_of_int())
    load = struct.pack("<QQI", ctypes.addressof(data), 0, len(data) - 1)
    with _descriptor(_BTF_LOAD, load) as btf:
        # type, key, value, entries, flags, inner, numa, name, ifindex, btf, key and value type
        wanted = (_MAP_TYPE_TASK_STORAGE, 4, 4, 0, _F_NO_PREALLOC, 0, 0, b"", 0, btf, 1, 1)
        with _descriptor(_MAP_CREATE, struct.pack("<7I16s4I", *wanted)):
            pass


def try_ring_buffer() -> None:
    """Create a BPF ring buffer of one page, for an instant. Raises OSError."""
    page = os.sysconf("SC_PAGE_SIZE")
    with _descriptor(_MAP_CREATE, struct.pack("<4I", _MAP_TYPE_RINGBUF, 0, 0, page)):
        pass


@contextmanager
def _descriptor(command: int, attributes: bytes) -> Iterator[int]:
    fd = _bpf(command, attributes)
    try:
        yield fd
    finally:
        os.close(fd)


def _bpf(command: int, attributes: bytes) -> int:
    number = _NR_BPF.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"not known how to call bpf(2) on {platform.machine()}")
    union = ctypes.create_string_buffer(attributes, _ATTR_BYTES)
    return linux.syscall(number, command, union, _ATTR_BYTES)
