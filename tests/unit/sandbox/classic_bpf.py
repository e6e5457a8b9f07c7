"""A classic BPF machine, as much of it as seccomp filters use: the kernel's side of a test."""

from __future__ import annotations

import struct
import tempfile
from typing import TYPE_CHECKING

from tracer.syscalls import AUDIT_ARCH

if TYPE_CHECKING:
    from tracer.profile import Action
    from tracer.sandbox.filter import CompiledFilter

_VALUES = {
    "kill_process": 0x80000000,
    "kill_thread": 0,
    "trap": 0x00030000,
    "log": 0x7FFC0000,
    "allow": 0x7FFF0000,
}


def program(compiled: CompiledFilter) -> list[tuple[int, int, int, int]]:
    """The instructions that libseccomp made: (code, jt, jf, k)."""
    with tempfile.TemporaryFile() as file:
        compiled.export_bpf(file)
        file.seek(0)
        return list(struct.iter_unpack("<HBBI", file.read()))


def run(
    instructions: list[tuple[int, int, int, int]], abi: str, nr: int, args: tuple[int, ...]
) -> int:
    """What the filter returns for a call: SECCOMP_RET_*, with its data (linux/seccomp.h)."""
    data = struct.pack("<IIQ6Q", nr, AUDIT_ARCH[abi], 0, *args)
    accumulator = at = 0
    while True:
        code, when_true, when_false, k = instructions[at]
        at += 1
        match code:
            case 0x20:  # ld [k]
                (accumulator,) = struct.unpack_from("<I", data, k)
            case 0x54:  # and k
                accumulator &= k
            case 0x05:  # ja k
                at += k
            case 0x15:
                at += when_true if accumulator == k else when_false
            case 0x25:
                at += when_true if accumulator > k else when_false
            case 0x35:
                at += when_true if accumulator >= k else when_false
            case 0x45:
                at += when_true if accumulator & k else when_false
            case 0x06:  # ret k
                return k
            case _:
                raise AssertionError(f"no filter of libseccomp has instruction {code:#x}")


def value(action: Action) -> int:
    """SECCOMP_RET_* of an action."""
    import errno

    if action.errno:
        return 0x00050000 | int(getattr(errno, action.errno))
    return _VALUES[action.kind]
