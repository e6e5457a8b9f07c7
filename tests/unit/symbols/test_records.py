"""Decoding of what the kernel hands over."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

from tracer.symbols import (
    ABIS,
    BuildIdFrame,
    build_id_frames,
    device_number,
    thread_registers,
)
from tracer.symbols.libraries import Libraries

PT_REGS = [
    "r15",
    "r14",
    "r13",
    "r12",
    "rbp",
    "rbx",
    "r11",
    "r10",
    "r9",
    "r8",
    "rax",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
    "orig_rax",
    "rip",
    "cs",
]
USER_CS, USER32_CS = 0x33, 0x23


def pt_regs(cs: int) -> bytes:
    """Each register holds its position in the structure, but cs."""
    values = [USER_CS if name == "cs" else place for place, name in enumerate(PT_REGS)]
    return struct.pack("<21Q", *values[:17], cs, 18, 19, 20)


def test_registers_of_64_bit_code_come_in_dwarf_order() -> None:
    abi, registers = thread_registers("x86_64", pt_regs(USER_CS))
    assert abi == "x86_64"
    named = dict(zip(ABIS[abi].registers, registers, strict=True))
    assert named["rip"] == PT_REGS.index("rip")
    assert named["rsp"] == 19
    assert named["rbp"] == PT_REGS.index("rbp")
    assert named["r15"] == PT_REGS.index("r15")
    assert (registers[7], registers[16]) == (named["rsp"], named["rip"])


def test_registers_of_32_bit_code_are_told_by_its_code_segment() -> None:
    """Not by the ABI of the call: int 0x80 works from 64-bit code."""
    abi, registers = thread_registers("x86_64", pt_regs(USER32_CS))
    assert abi == "i386"
    assert registers[8] == PT_REGS.index("rip")
    assert registers[4] == 19


def test_registers_of_arm64_are_in_dwarf_order_already() -> None:
    abi, registers = thread_registers("aarch64", struct.pack("<34Q", *range(34)))
    assert abi == "arm64"
    assert registers == tuple(range(33))
    assert (ABIS[abi].stack_pointer, ABIS[abi].pc) == (31, 32)


def test_a_machine_without_a_register_table_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        thread_registers("riscv64", b"")


def test_build_id_frames_end_at_the_first_unused_one() -> None:
    data = struct.pack("<i20sQ", 1, b"\x01" * 20, 0x123)
    data += struct.pack("<i20sQ", 2, b"", 0x7000)
    data += struct.pack("<i20sQ", 0, b"", 0) + struct.pack("<i20sQ", 2, b"", 1)
    assert build_id_frames(data) == (
        BuildIdFrame(1, b"\x01" * 20, 0x123, None),
        BuildIdFrame(2, None, None, 0x7000),
    )


def test_a_build_id_frame_that_is_cut_off_is_left_out() -> None:
    data = struct.pack("<i20sQ", 2, b"", 0x7000)
    assert len(build_id_frames(data + data[:31])) == 1
    assert build_id_frames(b"") == ()


def test_a_device_number_of_the_kernel_becomes_that_of_stat() -> None:
    status = os.stat("/")  # noqa: PTH116 - the number of stat is what is asked
    kernel = os.major(status.st_dev) << 20 | os.minor(status.st_dev)
    assert device_number(kernel) == status.st_dev


def test_a_library_is_found_by_the_name_of_its_file_or_by_its_soname() -> None:
    """As the linker's own cache has it: the real file's name is what a mapping shows."""
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True)
    rows = [line.strip().split(" => ") for line in listing.stdout.splitlines() if " => " in line]
    soname, path = rows[0][0].split(" ")[0], rows[0][1]
    assert path in Libraries().in_cache(soname)
    assert path in Libraries().in_cache(os.path.basename(os.path.realpath(path)))  # noqa: PTH119


def test_importing_the_package_loads_neither_pyelftools_nor_duckdb() -> None:
    code = "import sys, tracer.symbols; print([m for m in sys.modules if m in %r])"
    heavy = ["elftools", "duckdb", "bcc", "psutil", "typer", "rich"]
    done = subprocess.run(
        [sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
