"""DWARF expressions as far as unwind tables use them (PLT entries, signal frames).

Source: DWARF 5, section 2.5. Numbers are 64 bits wide and wrap.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Protocol

from tracer.symbols.cursor import Cursor
from tracer.symbols.source import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_STEPS = 200
_MAX_DEPTH = 64
_MASK = (1 << 64) - 1


class Memory(Protocol):
    """Memory of the dead thread."""

    word_size: int
    """Bytes of an address."""

    def word(self, address: int, size: int) -> int | None:
        """The number of ``size`` bytes there; None if it is not known."""


def evaluate(
    code: bytes, registers: Sequence[int | None], memory: Memory, stack: list[int]
) -> int | None:
    """Run ``code`` over ``stack`` and return its top; None if it needs what is not known.

    Raises MalformedError for code that makes no sense or does not end.
    """
    machine = _Machine(code, registers, memory, stack)
    for _ in range(_MAX_STEPS):
        if not machine.cursor.more():
            return machine.pop()
        try:
            machine.step()
        except _UnknownError:
            return None
    raise MalformedError("an expression does not end")


class _UnknownError(Exception):
    """A register or a piece of memory that was not recorded."""


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _divide(a: int, b: int) -> int:
    left, right = _signed(a), _signed(b)
    if right == 0:
        raise MalformedError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _modulo(a: int, b: int) -> int:
    if b == 0:
        raise MalformedError("division by zero")
    return a % b


def _compare(relation: Callable[[int, int], bool]) -> Callable[[int, int], int]:
    return lambda a, b: int(relation(_signed(a), _signed(b)))


_CONSTANT_SIZES = {0x08: 1, 0x0A: 2, 0x0C: 4, 0x0E: 8}  # const1u…; one more is the signed one
_UNARY: dict[int, Callable[[int], int]] = {
    0x19: lambda a: abs(_signed(a)),
    0x1F: operator.neg,
    0x20: operator.invert,
}
_BINARY: dict[int, Callable[[int, int], int]] = {
    0x1A: operator.and_,
    0x1B: _divide,
    0x1C: operator.sub,
    0x1D: _modulo,
    0x1E: operator.mul,
    0x21: operator.or_,
    0x22: operator.add,
    0x24: lambda a, b: a << b if b < 64 else 0,
    0x25: lambda a, b: a >> b if b < 64 else 0,
    0x26: lambda a, b: _signed(a) >> min(b, 63),
    0x27: operator.xor,
    0x29: _compare(operator.eq),
    0x2A: _compare(operator.ge),
    0x2B: _compare(operator.gt),
    0x2C: _compare(operator.le),
    0x2D: _compare(operator.lt),
    0x2E: _compare(operator.ne),
}


class _Machine:
    def __init__(
        self, code: bytes, registers: Sequence[int | None], memory: Memory, stack: list[int]
    ) -> None:
        self.cursor = Cursor(code)
        self.registers = registers
        self.memory = memory
        self.stack = stack

    def pop(self) -> int:
        if not self.stack:
            raise MalformedError("an expression takes from an empty stack")
        return self.stack.pop()

    def push(self, value: int) -> None:
        if len(self.stack) >= _MAX_DEPTH:
            raise MalformedError("an expression's stack overflows")
        self.stack.append(value & _MASK)

    def peek(self, depth: int) -> int:
        if depth >= len(self.stack):
            raise MalformedError("an expression reaches below its stack")
        return self.stack[-1 - depth]

    def step(self) -> None:
        """Run one operation."""
        code = self.cursor.unsigned(1)
        if 0x30 <= code <= 0x4F:  # lit0…31
            self.push(code - 0x30)
        elif 0x70 <= code <= 0x8F:  # breg0…31
            self.push_register(code - 0x70)
        elif code in _BINARY:
            right, left = self.pop(), self.pop()
            self.push(_BINARY[code](left, right))
        elif code in _UNARY:
            self.push(_UNARY[code](self.pop()))
        elif code & ~1 in _CONSTANT_SIZES:
            size = _CONSTANT_SIZES[code & ~1]
            self.push(self.cursor.signed(size) if code & 1 else self.cursor.unsigned(size))
        elif code in _OTHERS:
            _OTHERS[code](self)
        else:
            raise MalformedError(f"operation {code:#x} has no place in an unwind table")

    def push_register(self, number: int) -> None:
        offset = self.cursor.sleb()
        value = self.registers[number] if number < len(self.registers) else None
        if value is None:
            raise _UnknownError
        self.push(value + offset)

    def load(self, size: int) -> None:
        value = self.memory.word(self.pop(), size)
        if value is None:
            raise _UnknownError
        self.push(value)

    def jump(self, taken: Callable[[], bool]) -> None:
        distance = self.cursor.signed(2)
        if taken():
            self.cursor.position += distance

    def swap(self) -> None:
        top, below = self.pop(), self.pop()
        self.push(top)
        self.push(below)

    def rotate(self) -> None:
        first, second, third = self.pop(), self.pop(), self.pop()
        for value in (first, third, second):
            self.push(value)


_OTHERS: dict[int, Callable[[_Machine], object]] = {
    0x06: lambda m: m.load(m.memory.word_size),
    0x10: lambda m: m.push(m.cursor.uleb()),
    0x11: lambda m: m.push(m.cursor.sleb()),
    0x12: lambda m: m.push(m.peek(0)),
    0x13: lambda m: m.pop(),
    0x14: lambda m: m.push(m.peek(1)),
    0x15: lambda m: m.push(m.peek(m.cursor.unsigned(1))),
    0x16: lambda m: m.swap(),
    0x17: lambda m: m.rotate(),
    0x23: lambda m: m.push(m.pop() + m.cursor.uleb()),
    0x28: lambda m: m.jump(lambda: m.pop() != 0),
    0x2F: lambda m: m.jump(lambda: True),
    0x92: lambda m: m.push_register(m.cursor.uleb()),
    0x94: lambda m: m.load(min(m.cursor.unsigned(1), 8)),
    0x96: lambda m: None,
}
