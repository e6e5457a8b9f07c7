"""BPF maps by file descriptor, through libbcc's own calls.

bcc's Table classes need the compiled module, which a program loaded from the cache has not.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from bcc.libbcc import lib

if TYPE_CHECKING:
    from collections.abc import Iterator


def pairs(fd: int, key_bytes: int, value_bytes: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield every key and value of a hash map that no program is writing to any more."""
    key, following = ctypes.create_string_buffer(key_bytes), ctypes.create_string_buffer(key_bytes)
    value = ctypes.create_string_buffer(value_bytes)
    more = lib.bpf_get_first_key(fd, key, key_bytes)
    while more == 0:
        if lib.bpf_lookup_elem(fd, key, value) == 0:
            yield key.raw, value.raw
        more = lib.bpf_get_next_key(fd, key, following)
        key.raw = following.raw


def cells(fd: int, count: int) -> list[int]:
    """Return the u64 values of an array map."""
    value = ctypes.c_uint64()
    found = []
    for index in range(count):
        key = ctypes.c_uint32(index)
        lib.bpf_lookup_elem(fd, ctypes.byref(key), ctypes.byref(value))
        found.append(value.value)
    return found


def update(fd: int, key: int, value: bytes) -> None:
    """Set one value; ``key`` is a u32 (for task storage, a pidfd). Raises OSError."""
    number = ctypes.c_uint32(key)
    if lib.bpf_update_elem(fd, ctypes.byref(number), ctypes.create_string_buffer(value), 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, "bpf_map_update_elem failed")
