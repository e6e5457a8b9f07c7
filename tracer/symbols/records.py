"""What a collector hands over to have the frames of a stopped or dead thread named."""

import os
import struct
from typing import NamedTuple

STATUS_VALID = 1
"""BPF_STACK_BUILD_ID_VALID (include/uapi/linux/bpf.h): build id and file offset are known."""
STATUS_IP = 2
"""BPF_STACK_BUILD_ID_IP: only the address is known."""
BUILD_ID_SIZE = 20
"""BPF_BUILD_ID_SIZE: shorter build ids are padded with zero bytes by the kernel."""

_BUILD_ID_FRAME = struct.Struct("<i20sQ")


class Mapping(NamedTuple):
    """One executable, file-backed mapping of the target's address space."""

    start: int
    end: int
    """First address after the mapping."""
    file_offset: int
    """Offset in the file of ``start``, bytes."""
    path: str | None = None
    """As the kernel gave it, from the root of the mounts that the process saw; the file that is
    there now is held against the identity. None: not known, and then it is not looked for."""
    name: str | None = None
    """Base name of the file (the dentry's), ``[vdso]`` for the vdso; None if unknown."""
    inode: int | None = None
    device: int | None = None
    """As ``os.stat`` gives it in ``st_dev``; see ``device_number`` for the kernel's form."""
    build_id: str | None = None
    """Hex; None if unknown."""


class BuildIdFrame(NamedTuple):
    """One ``struct bpf_stack_build_id`` of ``bpf_get_stack`` with BPF_F_USER_BUILD_ID."""

    status: int
    build_id: bytes | None
    """20 bytes, zero-padded; None unless ``status`` is STATUS_VALID."""
    offset: int | None
    """File offset of the address; None unless ``status`` is STATUS_VALID."""
    ip: int | None
    """The address; None unless ``status`` is STATUS_IP."""


class RawStack(NamedTuple):
    """The state of one thread at one instant: all that naming its frames may use."""

    abi: str
    """ABI of the *code* (a key of ``abi.ABIS``), which for ``int 0x80`` is not the call's."""
    registers: tuple[int, ...]
    """In DWARF order of ``abi``, as ``thread_registers`` gives them."""
    stack_address: int
    """Address of ``stack[0]``: the stack pointer at that instant."""
    stack: bytes
    """Copy of the user stack from there up, as far as it could be had."""
    build_id_frames: tuple[BuildIdFrame, ...] = ()
    """Innermost first, found by the kernel along frame pointers; may skip callers."""
    mappings: tuple[Mapping, ...] = ()
    """Oldest first: a later one hides an earlier one that it overlaps."""
    executable: str | None = None
    """Path that execve was given (a script's too); None if unknown."""
    code_start: int | None = None
    """``mm->start_code``: run-time address of the program's first executable byte."""
    code_end: int | None = None
    """``mm->end_code``: first address after the program's executable bytes."""
    pid: int | None = None
    executable_inode: int | None = None
    """The program itself (``mm->exe_file``); its device as in Mapping. None: a file at
    ``executable`` is held against the extent of its code, exact to the byte."""
    executable_device: int | None = None


def build_id_frames(data: bytes) -> tuple[BuildIdFrame, ...]:
    """Decode what ``bpf_get_stack`` wrote with BPF_F_USER_STACK | BPF_F_USER_BUILD_ID.

    ``data`` is an array of ``struct bpf_stack_build_id`` (32 bytes each). Decoding ends at
    the first unused element (status 0), or where a whole element no longer fits.
    """
    whole = len(data) - len(data) % _BUILD_ID_FRAME.size
    frames: list[BuildIdFrame] = []
    for status, build_id, word in _BUILD_ID_FRAME.iter_unpack(data[:whole]):
        if status == STATUS_VALID:
            frames.append(BuildIdFrame(status, build_id, word, None))
        elif status == STATUS_IP:
            frames.append(BuildIdFrame(status, None, None, word))
        else:
            break
    return tuple(frames)


def device_number(kernel_device: int) -> int:
    """``st_dev`` of a kernel ``dev_t`` (``super_block.s_dev``: 12 bits major, 20 bits minor)."""
    return os.makedev(kernel_device >> 20, kernel_device & 0xFFFFF)
