"""The BPF program, as the kernel takes it in: how much there is to verify at each start."""

from __future__ import annotations

import ctypes

import pytest

from tracer.collectors.kernel import libbpf
from tracer.collectors.kernel.program import Program

pytestmark = pytest.mark.kernel
VERIFIED_AT = 216
"""Where verified_insns lies in struct bpf_prog_info (include/uapi/linux/bpf.h)."""


def verified(fd: int) -> int:
    """How many instructions the verifier walked: those on several paths count for each."""
    info = (ctypes.c_uint8 * (VERIFIED_AT + 4))()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    failed = libbpf.lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
    assert not failed
    return int.from_bytes(bytes(info)[VERIFIED_AT:], "little")


@pytest.mark.parametrize("logged", [frozenset[int](), frozenset({1})])
def test_the_verifier_has_little_to_walk(logged: frozenset[int]) -> None:
    """Each start waits for it, a millisecond for about 1,200 instructions. A loop that it walks
    turn by turn, or branches that double the paths, were tens of thousands."""
    program = Program(lambda _record: None, logged)
    try:
        walked = {name: verified(fd) for name, fd in program._programs.items()}
    finally:
        program.close()
    assert min(walked.values()) > 0
    assert sum(walked.values()) < 12_000, walked
