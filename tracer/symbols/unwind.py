"""Walking a dead thread's stack: registers and a copy of the stack in, addresses out.

Nothing here trusts the stack: the target wrote it. A walk ends at the first thing that
makes no sense, with the frames found so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tracer.symbols.expression import evaluate
from tracer.symbols.rules import CfaRule, How, Recovery, Rules
from tracer.symbols.source import MalformedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.symbols.abi import Abi

MAX_FRAMES = 64
_LOWEST_CODE = 4096
"""No code lies in the first page: some outermost frames return to 0, ``_start`` to ``argc``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One frame found by a walk."""

    address: int
    after_call: bool
    """``address`` is where a call returns to, so the calling instruction is just before it."""

    @property
    def inside(self) -> int:
        """An address of the instruction that the frame is at: the call's, if it called."""
        return self.address - 1 if self.after_call else self.address


class TargetCode(Protocol):
    """The code of the target, as far as a walk asks about it."""

    def rules(self, address: int) -> Rules | None:
        """The unwind rules at a run-time address; None if there are none."""

    def is_code(self, address: int) -> bool:
        """True if an executable mapping is known to hold the run-time address."""


class StackCopy:
    """Memory of which only one piece is known."""

    def __init__(self, address: int, data: bytes, word_size: int) -> None:
        self.address = address
        self.data = data
        self.word_size = word_size

    def word(self, address: int, size: int) -> int | None:
        """The little-endian number of ``size`` bytes there; None outside the copy."""
        start = address - self.address
        if start < 0 or start + size > len(self.data):
            return None
        return int.from_bytes(self.data[start : start + size], "little")


@dataclass(slots=True)
class _Thread:
    """Registers of the frame that the walk is at; None = not known there."""

    abi: Abi
    registers: list[int | None]

    @property
    def pc(self) -> int | None:
        return self.registers[self.abi.pc]

    @property
    def stack_pointer(self) -> int | None:
        return self.registers[self.abi.stack_pointer]


def walk(
    abi: Abi, registers: Sequence[int], memory: StackCopy, code: TargetCode
) -> tuple[list[Step], bool]:
    """The frames, innermost first, and whether the walk came to the outermost one.

    False: it stopped early (end of the copy, no unwind rules, nonsense).
    """
    if len(registers) < len(abi.registers):
        return [], False
    thread = _Thread(abi, [*registers[: len(abi.registers)]])
    steps = [Step(registers[abi.pc], after_call=False)]
    seen = {(registers[abi.pc], registers[abi.stack_pointer])}
    while len(steps) < MAX_FRAMES:
        try:
            rules = code.rules(steps[-1].inside)
            if rules is None and len(steps) == 1:
                rules = _rules_before_entry(steps[0], abi, code)
            outermost = rules is not None and _has_no_caller(rules)
            if outermost or not _step(thread, rules, memory, code):
                return steps, outermost
        except MalformedError:
            return steps, False
        pc, stack_pointer = thread.pc, thread.stack_pointer
        if pc is None or stack_pointer is None or (pc, stack_pointer) in seen:
            return steps, False
        if pc < _LOWEST_CODE:
            return steps, True
        seen.add((pc, stack_pointer))
        steps.append(Step(pc, after_call=rules is None or not rules.signal_frame))
    return steps, False


def _rules_before_entry(innermost: Step, abi: Abi, code: TargetCode) -> Rules | None:
    """The rules just before the instruction that entered the kernel; they hold behind it too.

    libc's clone and clone3 end theirs there, as the child returns onto another stack.
    """
    return code.rules(innermost.address - abi.entry_bytes - 1)


def _has_no_caller(rules: Rules) -> bool:
    rule = rules.registers.get(rules.return_register)
    return rule is not None and rule.how is How.UNDEFINED


def _step(thread: _Thread, rules: Rules | None, memory: StackCopy, code: TargetCode) -> bool:
    """Turn ``thread`` into its caller; False if that cannot be."""
    if rules is None:
        return _step_by_frame_pointer(thread, memory, code)
    old, abi = thread.registers, thread.abi
    cfa = _cfa(rules.cfa, old, memory)
    if cfa is None or rules.return_register >= len(old):
        return False
    new = list(old)
    new[abi.stack_pointer] = cfa
    for register, rule in rules.registers.items():
        if register < len(new):
            new[register] = _value(rule, register, cfa, old, memory)
    return_address = new[rules.return_register]
    if return_address is None:
        return False
    new[abi.pc] = return_address & abi.code_mask
    thread.registers = new
    return True


def _cfa(rule: CfaRule, registers: Sequence[int | None], memory: StackCopy) -> int | None:
    if rule.code is not None:
        return evaluate(rule.code, registers, memory, [])
    base = registers[rule.register] if rule.register < len(registers) else None
    return None if base is None else base + rule.offset


def _value(
    rule: Recovery, register: int, cfa: int, registers: Sequence[int | None], memory: StackCopy
) -> int | None:
    """The caller's value of ``register``; None if it cannot be known."""
    value: int | None = None
    match rule.how:
        case How.SAME:
            value = registers[register]
        case How.REGISTER if rule.number < len(registers):
            value = registers[rule.number]
        case How.AT_CFA | How.CFA_PLUS:
            value = cfa + rule.number
        case How.EXPRESSION | How.AT_EXPRESSION:
            value = evaluate(rule.code, registers, memory, [cfa])
    in_memory = rule.how in (How.AT_CFA, How.AT_EXPRESSION)
    return memory.word(value, memory.word_size) if in_memory and value is not None else value


def _step_by_frame_pointer(thread: _Thread, memory: StackCopy, code: TargetCode) -> bool:
    """Follow a frame record; only to a place that is known to be code, as it is a guess."""
    abi, word = thread.abi, thread.abi.word
    frame, stack_pointer = thread.registers[abi.frame_pointer], thread.stack_pointer
    if frame is None or stack_pointer is None or frame < stack_pointer or frame % word:
        return False
    caller_frame, return_address = memory.word(frame, word), memory.word(frame + word, word)
    if return_address is None or not code.is_code(return_address & abi.code_mask):
        return False
    registers: list[int | None] = [None] * len(thread.registers)
    registers[abi.frame_pointer] = caller_frame
    registers[abi.stack_pointer] = frame + 2 * word
    registers[abi.pc] = return_address & abi.code_mask
    thread.registers = registers
    return True
