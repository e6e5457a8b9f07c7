"""The machine that runs seccomp filters: classic BPF, as the kernel takes it of a filter.

A filter is given here as the kernel has it, ``struct sock_filter[]``, whoever made it. What it
decides of a call is what the kernel would decide: kernel/seccomp.c, net/core/filter.c.
"""

from __future__ import annotations

import operator
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer import syscalls
from tracer.errors import FilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_INSTRUCTIONS = 4096
"""BPF_MAXINSNS."""
MEMORY_WORDS = 16  # BPF_MEMWORDS
_WORD = 0xFFFF_FFFF
Value = Any
"""The value of a register or a word of memory: a number, or what stands for an unknown one."""
DATA_BYTES = 64
"""Of struct seccomp_data: nr, arch, instruction_pointer, args[6]."""
NR_AT, ARCH_AT, ARGS_AT = 0, 4, 16

# linux/bpf_common.h: those that seccomp_check_filter takes.
LOAD, LOAD_X = 0x20, 0x81  # LD W ABS; LDX W LEN is the only one of X that is not a constant
LOAD_LENGTH, LOAD_NUMBER, LOAD_X_NUMBER = 0x80, 0x00, 0x01
LOAD_MEMORY, LOAD_X_MEMORY, STORE, STORE_X = 0x60, 0x61, 0x02, 0x03
TO_X, FROM_X = 0x07, 0x87
RETURN, RETURN_A = 0x06, 0x16
JUMP = 0x05
NEGATE = 0x84
_OPERATIONS = (0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xA0)
ADD, SUBTRACT, MULTIPLY, DIVIDE, OR, AND, SHIFT_LEFT, SHIFT_RIGHT, XOR = _OPERATIONS
EQUAL, GREATER, GREATER_OR_EQUAL, ANY_BIT = 0x10, 0x20, 0x30, 0x40
_ALU, _JUMP_CLASS, _BY_X = 0x04, 0x05, 0x08
TESTS = (EQUAL, GREATER, GREATER_OR_EQUAL, ANY_BIT)
_CALCULATIONS = frozenset(_ALU | op | by for op in _OPERATIONS for by in (0, _BY_X))
_TESTS = frozenset(_JUMP_CLASS | op | by for op in TESTS for by in (0, _BY_X))
_OTHERS = frozenset(
    (
        *(LOAD, LOAD_X, LOAD_LENGTH, LOAD_NUMBER, LOAD_X_NUMBER, LOAD_MEMORY, LOAD_X_MEMORY),
        *(STORE, STORE_X, TO_X, FROM_X, RETURN, RETURN_A, JUMP, NEGATE),
    )
)


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    when_true: int
    """Instructions that a test skips if it holds."""
    when_false: int
    k: int

    @property
    def operation(self) -> int:
        """Which calculation or test it is."""
        return self.code & 0xF0

    @property
    def is_calculation(self) -> bool:
        """True for what changes A by a number or X."""
        return self.code in _CALCULATIONS

    @property
    def is_test(self) -> bool:
        """True for a jump that depends on A."""
        return self.code in _TESTS

    @property
    def is_by_x(self) -> bool:
        """True if the other operand is X, not ``k``."""
        return bool(self.code & _BY_X)


Program = tuple[Instruction, ...]


def program(data: bytes) -> Program:
    """The instructions in ``data``, struct sock_filter[] of this machine.

    Raises FilterError for what the kernel would not load, naming the instruction.
    """
    if len(data) % 8:
        raise FilterError(f"a filter is made of 8 bytes an instruction, not of {len(data)} bytes")
    found = tuple(Instruction(*fields) for fields in struct.iter_unpack("=HBBI", data))
    if not 1 <= len(found) <= MOST_INSTRUCTIONS:
        raise FilterError(f"a filter has 1 to {MOST_INSTRUCTIONS} instructions, not {len(found)}")
    for at, instruction in enumerate(found):
        if reason := _fault(instruction, len(found) - at - 1):
            raise FilterError(f"instruction {at}: {reason}")
    if found[-1].code not in (RETURN, RETURN_A):
        raise FilterError(f"instruction {len(found) - 1}: a filter ends with a return")
    _check_memory(found)
    return found


def _fault(instruction: Instruction, left: int) -> str | None:
    """What is wrong with it, where ``left`` instructions follow; None if nothing is."""
    code, k = instruction.code, instruction.k
    if not (code in _OTHERS or instruction.is_calculation or instruction.is_test):
        return f"code {code:#x} is not for filters"
    if code == LOAD and (k >= DATA_BYTES or k & 3):
        return f"there is no word at {k} of seccomp_data"
    if code in (LOAD_MEMORY, LOAD_X_MEMORY, STORE, STORE_X) and k >= MEMORY_WORDS:
        return f"there is no word {k} of memory"
    if code == _ALU | DIVIDE and k == 0:
        return "division by 0"
    if code in (_ALU | SHIFT_LEFT, _ALU | SHIFT_RIGHT) and k >= 32:
        return f"a shift by {k} bits"
    return _jump_fault(instruction, left)


def _jump_fault(instruction: Instruction, left: int) -> str | None:
    jumps = [instruction.k] if instruction.code == JUMP else []
    if instruction.is_test:
        jumps = [instruction.when_true, instruction.when_false]
    return "a jump beyond the end" if any(jump >= left for jump in jumps) else None


def _check_memory(found: Program) -> None:
    """Raise FilterError where a word of memory may be read before it was written.

    As the kernel's check_load_and_stores: by all ways that lead to an instruction.
    """
    everything = (1 << MEMORY_WORDS) - 1
    arriving = [everything] * len(found)
    valid = 0
    for at, instruction in enumerate(found):
        valid &= arriving[at]
        if instruction.code in (STORE, STORE_X):
            valid |= 1 << instruction.k
        elif instruction.code in (LOAD_MEMORY, LOAD_X_MEMORY) and not valid >> instruction.k & 1:
            raise FilterError(f"instruction {at}: memory is read before it is written")
        elif instruction.code == JUMP or instruction.is_test:
            for jump in successors(instruction):
                arriving[at + 1 + jump] &= valid
            valid = everything


def successors(instruction: Instruction) -> tuple[int, ...]:
    """How many instructions a jump skips: one number, or those of a test that holds or not."""
    if instruction.code == JUMP:
        return (instruction.k,)
    return instruction.when_true, instruction.when_false


def run(found: Program, abi: str, nr: int, args: Sequence[int], ip: int = 0) -> int:
    """What the filter returns for a call: SECCOMP_RET_… with its data (linux/seccomp.h).

    ``args`` are the six registers, unsigned; ``nr`` as the kernel has it, x32's bit included.
    """
    data = struct.pack("<IIQ6Q", nr & _WORD, syscalls.AUDIT_ARCH[abi], ip, *args)
    words = struct.unpack("<16I", data)
    a = x = at = 0
    memory: tuple[int, ...] = (0,) * MEMORY_WORDS
    while True:
        instruction = found[at]
        at += 1
        if instruction.is_test:
            holds = compare(instruction.operation, a, x if instruction.is_by_x else instruction.k)
            at += instruction.when_true if holds else instruction.when_false
        elif instruction.code == LOAD:
            a = words[instruction.k // 4]
        elif instruction.code in (RETURN, RETURN_A):
            return instruction.k if instruction.code == RETURN else a
        elif instruction.code == JUMP:
            at += instruction.k
        elif instruction.is_calculation:
            other = x if instruction.is_by_x else instruction.k
            if instruction.operation == DIVIDE and other == 0:
                return 0  # net/core/filter.c: a division by X of 0 ends the filter
            a = calculate(instruction.operation, a, other)
        elif instruction.code == NEGATE:
            a = -a & _WORD
        else:
            a, x, memory = moved(instruction, a, x, memory)


def moved(
    instruction: Instruction, a: Value, x: Value, memory: tuple[Value, ...]
) -> tuple[Value, Value, tuple[Value, ...]]:
    """A, X and memory after what only moves: a load but that of a word of the call, or a store."""
    code, k = instruction.code, instruction.k
    if code in (STORE, STORE_X):
        return a, x, (*memory[:k], a if code == STORE else x, *memory[k + 1 :])
    kept = memory[k % MEMORY_WORDS]
    into_a = {LOAD_LENGTH: DATA_BYTES, LOAD_NUMBER: k, LOAD_MEMORY: kept, FROM_X: x}
    into_x = {LOAD_X: DATA_BYTES, LOAD_X_NUMBER: k, LOAD_X_MEMORY: kept, TO_X: a}
    return into_a.get(code, a), into_x.get(code, x), memory


def compare(operation: int, a: int, other: int) -> bool:
    """Whether a test holds; all numbers are unsigned and 32 bits wide."""
    return _COMPARISONS[operation](a, other)


def calculate(operation: int, a: int, other: int) -> int:
    """What A becomes. A shift by X looks at the lowest five bits, as the kernel's eBPF does."""
    return _RESULTS[operation](a, other) & _WORD


_COMPARISONS: dict[int, Callable[[int, int], bool]] = {
    EQUAL: operator.eq,
    GREATER: operator.gt,
    GREATER_OR_EQUAL: operator.ge,
    ANY_BIT: lambda a, other: bool(a & other),
}
_RESULTS: dict[int, Callable[[int, int], int]] = {
    ADD: operator.add,
    SUBTRACT: operator.sub,
    MULTIPLY: operator.mul,
    DIVIDE: operator.floordiv,
    OR: operator.or_,
    AND: operator.and_,
    SHIFT_LEFT: lambda a, other: a << (other & 31),
    SHIFT_RIGHT: lambda a, other: a >> (other & 31),
    XOR: operator.xor,
}
