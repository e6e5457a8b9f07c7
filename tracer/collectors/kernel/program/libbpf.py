"""The part of libbpf that loading and reading a program takes, by ctypes.

libbcc stands on the same library. Going to it directly means that a program compiled
before can be loaded without libbcc, whose LLVM costs tens of milliseconds and megabytes.
Every function raises OSError with what was tried. Source: bpf/bpf.h and bpf/libbpf.h of
libbpf 1.x, bpf(2), include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import TYPE_CHECKING

from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MAP_TYPE_ARRAY = 2
MAP_TYPE_ARRAY_OF_MAPS = 12
MAP_TYPE_TASK_STORAGE = 29
PROG_TYPE_RAW_TRACEPOINT = 17
_NOT_SUPPORTED = 524
"""ENOTSUPP: the kernel's own, which it lets out to user space here and there."""

_RING_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def _load() -> ctypes.CDLL:
    try:
        lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise KernelError(
            f"libbpf: {error}: install libbpf1 (Debian) or libbpf (Fedora)"
        ) from error
    lib.libbpf_set_print(None)  # its messages go to stderr; ours are the exceptions
    lib.ring_buffer__new.restype = ctypes.c_void_p
    lib.ring_buffer__free.argtypes = (ctypes.c_void_p,)
    lib.ring_buffer__free.restype = None
    lib.btf__load_vmlinux_btf.restype = ctypes.c_void_p
    lib.btf__find_by_name_kind.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32)
    lib.btf__type_by_id.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    lib.btf__type_by_id.restype = ctypes.c_void_p
    lib.btf__name_by_offset.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    lib.btf__name_by_offset.restype = ctypes.c_char_p
    lib.btf__free.argtypes = (ctypes.c_void_p,)
    return lib


lib = _load()


class _MapOptions(ctypes.Structure):
    """struct bpf_map_create_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("btf_fd", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("map_extra", ctypes.c_uint64),
        ("numa_node", ctypes.c_uint32),
        ("map_ifindex", ctypes.c_uint32),
    )


class _ProgOptions(ctypes.Structure):
    """struct bpf_prog_load_opts, up to the fields that are set."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("attempts", ctypes.c_int),
        ("expected_attach_type", ctypes.c_int),
        ("prog_btf_fd", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_ifindex", ctypes.c_uint32),
        ("kern_version", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
        ("attach_prog_fd", ctypes.c_uint32),
        ("attach_btf_obj_fd", ctypes.c_uint32),
    )


class _MapInfo(ctypes.Structure):
    """struct bpf_map_info, up to the fields that are read."""

    _fields_ = (
        ("head", ctypes.c_uint8 * 64),
        ("btf_id", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class _BtfInfo(ctypes.Structure):
    """struct bpf_btf_info."""

    _fields_ = (
        ("btf", ctypes.c_void_p),
        ("btf_size", ctypes.c_uint32),
        ("id", ctypes.c_uint32),
        ("name", ctypes.c_uint64),
        ("name_len", ctypes.c_uint32),
        ("kernel_btf", ctypes.c_uint32),
    )


class _ProgInfo(ctypes.Structure):
    """struct bpf_prog_info, up to the field that is read."""

    _fields_ = (("head", ctypes.c_uint8 * 208), ("recursion_misses", ctypes.c_uint64))


def load_btf(data: bytes) -> int:
    """BPF_BTF_LOAD: return the descriptor of a program's type information."""
    return _checked("loading type information", lib.bpf_btf_load(data, len(data), None))


def create_map(
    kind: int,
    name: str,
    sizes: tuple[int, int, int],
    flags: int,
    btf: tuple[int, int, int] = (0, 0, 0),
    inner: int = 0,
) -> int:
    """BPF_MAP_CREATE; ``sizes``: key, value, entries; ``btf``: descriptor, key and value type.

    ``inner``: for a map of maps, the descriptor of a map like those that it is to hold.
    """
    options = _MapOptions(ctypes.sizeof(_MapOptions), *btf, inner_map_fd=inner, map_flags=flags)
    key, value, entries = sizes
    made = lib.bpf_map_create(kind, name.encode()[:15], key, value, entries, ctypes.byref(options))
    return _checked(f"map {name}", made)


def load_program(kind: int, name: str, instructions: bytes) -> int:
    """BPF_PROG_LOAD, by way of the verifier."""
    options = _ProgOptions(ctypes.sizeof(_ProgOptions))
    count = ctypes.c_size_t(len(instructions) // 8)
    fd = lib.bpf_prog_load(
        kind, name.encode()[:15], b"GPL", instructions, count, ctypes.byref(options)
    )
    return _checked(f"program {name}", fd)


def attach_raw_tracepoint(name: str, program: int) -> int:
    """BPF_RAW_TRACEPOINT_OPEN: return the link; closing it detaches."""
    return _checked(f"raw tracepoint {name}", lib.bpf_raw_tracepoint_open(name.encode(), program))


def map_btf(fd: int) -> tuple[bytes, int, int]:
    """Return the type information that a map was made with, and its key and value types."""
    info = _MapInfo()
    _object_info(fd, info)
    btf = _checked("type information", lib.bpf_btf_get_fd_by_id(info.btf_id))
    try:
        sizes = _BtfInfo()
        _object_info(btf, sizes)
        data = ctypes.create_string_buffer(sizes.btf_size)
        whole = _BtfInfo(ctypes.addressof(data), sizes.btf_size)
        _object_info(btf, whole)
    finally:
        os.close(btf)
    return data.raw, info.btf_key_type_id, info.btf_value_type_id


def recursion_misses(program: int) -> int:
    """How often the kernel skipped a program because it was running (bpf_prog_info)."""
    info = _ProgInfo()
    _object_info(program, info)
    return int(info.recursion_misses)


def update(fd: int, key: int, value: bytes) -> None:
    """Set one value; ``key`` is a u32 (for task storage, a pidfd)."""
    number = ctypes.c_uint32(key)
    data = ctypes.create_string_buffer(value, len(value))
    _checked(
        "map update", lib.bpf_map_update_elem(fd, ctypes.byref(number), data, ctypes.c_uint64(0))
    )


def push(fd: int, value: bytes) -> None:
    """Add to a queue or stack map."""
    _checked("map update", lib.bpf_map_update_elem(fd, None, value, ctypes.c_uint64(0)))


def put_maps(fd: int, first: int, maps: Sequence[int]) -> None:
    """Put maps into an array of maps, at ``first`` and behind it.

    The kernel waits for whoever may still see what stood there: for all of them only once, where
    it takes them at once.
    """
    keys = (ctypes.c_uint32 * len(maps))(*range(first, first + len(maps)))
    values, count = (ctypes.c_uint32 * len(maps))(*maps), ctypes.c_uint32(len(maps))
    failed = lib.bpf_map_update_batch(fd, keys, values, ctypes.byref(count), None)
    if failed and -failed not in (errno.EINVAL, errno.EOPNOTSUPP, _NOT_SUPPORTED):
        _checked("map update", failed)
    for at in range(len(maps)) if failed else ():
        update(fd, first + at, maps[at].to_bytes(4, sys.byteorder))


def inner_map(fd: int, key: int) -> int | None:
    """Return the id of the map at ``key`` in an array of maps; None if there is none."""
    number, held = ctypes.c_uint32(key), ctypes.c_uint32()
    if lib.bpf_map_lookup_elem(fd, ctypes.byref(number), ctypes.byref(held)):
        return None
    return held.value


def pairs(fd: int, key_bytes: int, value_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield every key and value of a hash map."""
    key, following = ctypes.create_string_buffer(key_bytes), ctypes.create_string_buffer(key_bytes)
    value = ctypes.create_string_buffer(value_bytes)
    more = lib.bpf_map_get_next_key(fd, None, key)
    while more == 0:
        if lib.bpf_map_lookup_elem(fd, key, value) == 0:
            yield key.raw, value.raw
        more = lib.bpf_map_get_next_key(fd, key, following)
        key.raw = following.raw


def cells(fd: int, count: int) -> list[int]:
    """Return the u64 values of an array map."""
    value = ctypes.c_uint64()
    found = []
    for index in range(count):
        key = ctypes.c_uint32(index)
        _checked("map lookup", lib.bpf_map_lookup_elem(fd, ctypes.byref(key), ctypes.byref(value)))
        found.append(value.value)
    return found


class Ring:
    """The reading side of a ring buffer map."""

    def __init__(self, fd: int, take: Callable[[bytes], bool]) -> None:
        """``take`` is given each record when ``consume`` is called; true: it wants no more."""

        def called(_context: int, data: int, size: int) -> int:
            return -errno.EAGAIN if take(ctypes.string_at(data, size)) else 0

        self._callback = _RING_CALLBACK(called)  # libbpf keeps only the pointer
        ring = lib.ring_buffer__new(fd, self._callback, None, None)
        if not ring:
            raise OSError(ctypes.get_errno(), f"ring buffer: {os.strerror(ctypes.get_errno())}")
        self._ring = ctypes.c_void_p(ring)

    def consume(self) -> None:
        """Hand over every record that waits, until ``take`` says stop."""
        result = lib.ring_buffer__consume(self._ring)
        if result != -errno.EAGAIN:
            _checked("ring buffer", result)

    def close(self) -> None:
        """Let go of libbpf's mappings and of its epoll; nothing is consumed any more."""
        lib.ring_buffer__free(self._ring)
        self._ring = ctypes.c_void_p()


def _object_info(fd: int, info: ctypes.Structure) -> None:
    size = ctypes.c_uint32(ctypes.sizeof(info))
    _checked("object info", lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)))


def _checked(what: str, result: int) -> int:
    if result < 0:
        code = ctypes.get_errno() or -result
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
