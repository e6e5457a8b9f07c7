"""The part of a filter that lets one execve through: the one whose last arguments are a secret.

``exec = "once"`` needs it. It is written here, and recognised in a filter in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.profile import machine
from tracer.profile.machine import Instruction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.profile.machine import Program

SECRET_WORDS = 4
_SECRET_ARGUMENTS = (4, 5)
_XOR, _OR_X = 0x04 | machine.XOR, 0x04 | machine.OR | 0x08
_IS_ZERO = 0x05 | machine.EQUAL
_ALLOW = 0x7FFF_0000


def with_secret(answer: int) -> tuple[Instruction, ...]:
    """Return the calls with the secret as allowed, and the others with ``answer``.

    The words of the secret are 0 here. All are compared in the same time, right or wrong: none can
    be guessed by itself.
    """
    return tuple(_with_secret(answer))


def _with_secret(answer: int) -> Iterator[Instruction]:
    for index in range(SECRET_WORDS):
        argument, half = _SECRET_ARGUMENTS[index // 2], index % 2
        yield Instruction(machine.LOAD, 0, 0, machine.ARGS_AT + 8 * argument + 4 * half)
        yield Instruction(_XOR, 0, 0, 0)
        if index:
            yield Instruction(machine.LOAD_X_MEMORY, 0, 0, 0)
            yield Instruction(_OR_X, 0, 0, 0)
        if index < SECRET_WORDS - 1:
            yield Instruction(machine.STORE, 0, 0, 0)
    yield Instruction(_IS_ZERO, 0, 1, 0)
    yield Instruction(machine.RETURN, 0, 0, _ALLOW)
    yield Instruction(machine.RETURN, 0, 0, answer)


_SHAPE = with_secret(0)
SECRET_AT = tuple(at for at, each in enumerate(_SHAPE) if each.code == _XOR)
"""Which of the instructions hold a word of the secret in ``k``, the lower half of an argument
first."""
_VARIES = (*SECRET_AT, len(_SHAPE) - 1)


def without_secret(program: Program) -> Program | None:
    """The filter with that one execve refused as every other; None if it lets none through so.

    What is left says what becomes of every execve once the command has started, and holds no word
    of the secret.
    """
    for at in range(len(program) - len(_SHAPE) + 1):
        found = program[at : at + len(_SHAPE)]
        if all(map(_is_alike, range(len(_SHAPE)), found)):
            refused = (found[-1],) * len(_SHAPE)
            return (*program[:at], *refused, *program[at + len(_SHAPE) :])
    return None


def _is_alike(at: int, instruction: Instruction) -> bool:
    shape = _SHAPE[at]
    return instruction == (shape._replace(k=instruction.k) if at in _VARIES else shape)
