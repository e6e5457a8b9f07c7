"""Register numbering per ABI: the one place of this package that knows a machine.

Sources: System V psABI for x86-64 (figure 3.36) and i386 (table 2.14), and the DWARF for
the Arm 64-bit Architecture. A program counter that has no number of its own in the
standard's table of saved registers is kept in the last place.
"""

import struct
from typing import NamedTuple


class Abi(NamedTuple):
    """How one instruction set numbers its registers in DWARF, and where a frame links."""

    name: str
    registers: tuple[str, ...]
    """Names in DWARF order."""
    stack_pointer: int
    frame_pointer: int
    pc: int
    word: int
    """Bytes of an address; a frame record is [frame_pointer]: caller's, then the return."""
    machine: int
    """``e_machine`` of its ELF files."""
    code_mask: int
    """Bits of a return address that are address (arm64 signs it in the upper ones)."""
    entry_bytes: int
    """Length of the instruction that enters the kernel: ``syscall``, ``int 0x80``, ``svc``."""


X86_64 = Abi(
    name="x86_64",
    registers=(
        *("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp"),
        *(f"r{n}" for n in range(8, 16)),
        "rip",
    ),
    stack_pointer=7,
    frame_pointer=6,
    pc=16,
    word=8,
    machine=62,
    code_mask=(1 << 64) - 1,
    entry_bytes=2,
)
I386 = Abi(
    name="i386",
    registers=("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip"),
    stack_pointer=4,
    frame_pointer=5,
    pc=8,
    word=4,
    machine=3,
    code_mask=(1 << 32) - 1,
    entry_bytes=2,
)
ARM64 = Abi(
    name="arm64",
    registers=(*(f"x{n}" for n in range(31)), "sp", "pc"),
    stack_pointer=31,
    frame_pointer=29,
    pc=32,
    word=8,
    machine=183,
    code_mask=(1 << 48) - 1,
    entry_bytes=4,
)
ABIS = {"x86_64": X86_64, "x32": X86_64, "i386": I386, "arm64": ARM64}
"""By name; the code of an x32 process is x86-64 code."""

# struct pt_regs of arch/x86/include/uapi/asm/ptrace.h, with i386 code's names for the same.
_PT_REGS_X86 = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8"),
    *("rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss"),
)
_USER32_CS = 0x23  # __USER32_CS: the thread was running 32-bit code


def thread_registers(machine: str, pt_regs: bytes) -> tuple[str, tuple[int, ...]]:
    """ABI of the code that a thread was running, and its registers in DWARF order.

    ``machine`` is ``uname -m`` of the kernel, ``pt_regs`` the UAPI structure (168 bytes of
    ``struct pt_regs`` on x86_64; 264 of ``struct user_pt_regs`` on aarch64).
    Raises ValueError for another machine and struct.error for other lengths.
    """
    if machine == "aarch64":
        return ARM64.name, struct.unpack("<33Q", pt_regs[:264])
    if machine != "x86_64":
        raise ValueError(f"no register table for machine {machine!r}: add it to {__name__}")
    values = dict(zip(_PT_REGS_X86, struct.unpack("<21Q", pt_regs), strict=True))
    if values["cs"] == _USER32_CS:
        return I386.name, tuple(values[f"r{name[1:]}"] for name in I386.registers)
    return X86_64.name, tuple(values[name] for name in X86_64.registers)
