"""Call frame instructions: how each register of the caller is found at one address.

Source: DWARF 5, section 6.4, with GNU's and Arm's additions. An instruction is looked up in
a table that gives its operands and what it does to the state.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tracer.symbols.cursor import Cursor
from tracer.symbols.source import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_SAVED_STATES = 32
_MAX_REGISTERS = 64


class How(enum.Enum):
    """Where the caller's value of a register is."""

    UNDEFINED = enum.auto()
    """Nowhere: it is lost. For the return address: there is no caller."""
    SAME = enum.auto()
    """Still in the register."""
    AT_CFA = enum.auto()
    """In memory at CFA + ``number``."""
    CFA_PLUS = enum.auto()
    """It is CFA + ``number``."""
    REGISTER = enum.auto()
    """In the register ``number``."""
    AT_EXPRESSION = enum.auto()
    """In memory at what ``code`` computes."""
    EXPRESSION = enum.auto()
    """It is what ``code`` computes."""


class Recovery(NamedTuple):
    """How one register is found."""

    how: How
    number: int = 0
    code: bytes = b""


class CfaRule(NamedTuple):
    """The canonical frame address: ``register`` + ``offset``, or what ``code`` computes."""

    register: int
    offset: int
    code: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """All that is needed to step from one frame to its caller."""

    cfa: CfaRule
    registers: dict[int, Recovery]
    return_register: int
    signal_frame: bool
    """The caller was interrupted: its address is the next instruction, not a return address."""


class Budget:
    """Bounds the work that files of the target may cause over the life of a Namer."""

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Take ``units`` (an instruction, a symbol); MalformedError if there are not so many."""
        if units > self.left:
            raise MalformedError("the target's files need more work than is allowed")
        self.left -= units


@dataclass(slots=True)
class State:
    """The rules so far, and where in the code they hold."""

    code_align: int
    data_align: int
    location: int
    cfa: CfaRule | None = None
    registers: dict[int, Recovery] = field(default_factory=dict)
    initial: dict[int, Recovery] = field(default_factory=dict)
    saved: list[tuple[CfaRule | None, dict[int, Recovery]]] = field(default_factory=list)

    def run(self, code: bytes, until: int, budget: Budget) -> None:
        """Run ``code`` until it ends or speaks of addresses beyond ``until``."""
        cursor = Cursor(code)
        while cursor.more():
            budget.spend(1)
            opcode = cursor.unsigned(1)
            high, low = opcode & 0xC0, opcode & 0x3F
            if high == 0x40:
                self.location += low * self.code_align
            elif high == 0x80:
                self.at_cfa(low, cursor.uleb())
            elif high == 0xC0:
                self.restore(low)
            else:
                self._run_extended(low, cursor)
            if self.location > until:
                return

    def _run_extended(self, opcode: int, cursor: Cursor) -> None:
        if opcode not in _INSTRUCTIONS:
            raise MalformedError(f"unknown call frame instruction {opcode:#x}")
        operands, action = _INSTRUCTIONS[opcode]
        action(self, *(_OPERANDS[kind](cursor) for kind in operands))

    def set(self, register: int, rule: Recovery) -> None:
        """Give a register its rule."""
        if register >= _MAX_REGISTERS:
            return  # a vector register: no address depends on it
        self.registers[register] = rule

    def at_cfa(self, register: int, factored: int) -> None:
        """DW_CFA_offset and its kin."""
        self.set(register, Recovery(How.AT_CFA, factored * self.data_align))

    def restore(self, register: int) -> None:
        """DW_CFA_restore: back to what the CIE says."""
        if register in self.initial:
            self.set(register, self.initial[register])
        else:
            self.registers.pop(register, None)

    def advance(self, factored: int) -> None:
        """DW_CFA_advance_loc1, 2, 4."""
        self.location += factored * self.code_align

    def define_cfa(self, register: int, offset: int) -> None:
        """DW_CFA_def_cfa."""
        self.cfa = CfaRule(register, offset)

    def change_cfa(self, register: int | None = None, offset: int | None = None) -> None:
        """DW_CFA_def_cfa_register, DW_CFA_def_cfa_offset."""
        if self.cfa is None or self.cfa.code is not None:
            raise MalformedError("half of a CFA is changed before there is one")
        self.cfa = CfaRule(
            self.cfa.register if register is None else register,
            self.cfa.offset if offset is None else offset,
        )

    def remember(self) -> None:
        """DW_CFA_remember_state."""
        if len(self.saved) >= _MAX_SAVED_STATES:
            raise MalformedError("too many remembered states")
        self.saved.append((self.cfa, dict(self.registers)))

    def recall(self) -> None:
        """DW_CFA_restore_state."""
        if not self.saved:
            raise MalformedError("no remembered state")
        self.cfa, self.registers = self.saved.pop()


_OPERANDS: dict[str, Callable[[Cursor], int | bytes]] = {
    "u": Cursor.uleb,
    "s": Cursor.sleb,
    "1": lambda cursor: cursor.unsigned(1),
    "2": lambda cursor: cursor.unsigned(2),
    "4": lambda cursor: cursor.unsigned(4),
    "b": lambda cursor: cursor.block(cursor.uleb()),
}


def _nothing(_: State, *__: object) -> None:
    pass


# Opcode: operands (keys of _OPERANDS), action. DW_CFA_set_loc is left out: no compiler uses it.
_INSTRUCTIONS: dict[int, tuple[str, Callable[..., None]]] = {
    0x00: ("", _nothing),
    0x02: ("1", State.advance),
    0x03: ("2", State.advance),
    0x04: ("4", State.advance),
    0x05: ("uu", State.at_cfa),
    0x06: ("u", State.restore),
    0x07: ("u", lambda state, r: state.set(r, Recovery(How.UNDEFINED))),
    0x08: ("u", lambda state, r: state.set(r, Recovery(How.SAME))),
    0x09: ("uu", lambda state, r, other: state.set(r, Recovery(How.REGISTER, other))),
    0x0A: ("", State.remember),
    0x0B: ("", State.recall),
    0x0C: ("uu", State.define_cfa),
    0x0D: ("u", lambda state, r: state.change_cfa(register=r)),
    0x0E: ("u", lambda state, n: state.change_cfa(offset=n)),
    0x0F: ("b", lambda state, code: setattr(state, "cfa", CfaRule(0, 0, code))),
    0x10: ("ub", lambda state, r, code: state.set(r, Recovery(How.AT_EXPRESSION, 0, code))),
    0x11: ("us", State.at_cfa),
    0x12: ("us", lambda state, r, n: state.define_cfa(r, n * state.data_align)),
    0x13: ("s", lambda state, n: state.change_cfa(offset=n * state.data_align)),
    0x14: (
        "uu",
        lambda state, r, n: state.set(r, Recovery(How.CFA_PLUS, n * state.data_align)),
    ),
    0x15: (
        "us",
        lambda state, r, n: state.set(r, Recovery(How.CFA_PLUS, n * state.data_align)),
    ),
    0x16: ("ub", lambda state, r, code: state.set(r, Recovery(How.EXPRESSION, 0, code))),
    0x2D: ("", _nothing),  # arm64: the return address is signed from here on; Abi.code_mask
    0x2E: ("u", _nothing),  # DW_CFA_GNU_args_size
    0x2F: ("uu", lambda state, r, n: state.at_cfa(r, -n)),
}
