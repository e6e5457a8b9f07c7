"""The steps of a walk, rule by rule, and the choice among the names of a function."""

from __future__ import annotations

import struct

import pytest

from tests.unit.symbols.support import compile_c
from tracer.symbols import ABIS
from tracer.symbols.expression import evaluate
from tracer.symbols.objects import ElfObject
from tracer.symbols.rules import Budget, CfaRule, How, Recovery, Rules, State
from tracer.symbols.source import FileSource
from tracer.symbols.unwind import StackCopy, Step, walk

CODE = range(0x10_0000, 0x20_0000)
STACK = 0x7000_0000


class FakeCode:
    """Rules at given addresses; everything in CODE is code."""

    def __init__(self, rules: dict[int, Rules]) -> None:
        self._rules = rules

    def rules(self, address: int) -> Rules | None:
        return self._rules.get(address)

    def is_code(self, address: int) -> bool:
        return address in CODE


def words(*values: int, size: int = 8) -> StackCopy:
    data = b"".join(value.to_bytes(size, "little") for value in values)
    return StackCopy(STACK, data, size)


def registers(abi: str, **values: int) -> list[int]:
    return [values.get(name, 0) for name in ABIS[abi].registers]


def x86(offset: int, *, signal: bool = False, **rules: Recovery) -> Rules:
    """CFA = rsp + ``offset``, return address below it."""
    names = ABIS["x86_64"].registers
    table = {names.index(name): rule for name, rule in rules.items()}
    return Rules(CfaRule(7, offset), {16: Recovery(How.AT_CFA, -8), **table}, 16, signal)


OUTERMOST = Rules(CfaRule(7, 8), {16: Recovery(How.UNDEFINED)}, 16, signal_frame=False)


def test_a_caller_is_looked_up_by_the_call_not_by_what_follows_it() -> None:
    """A call that never returns is the last instruction: what follows is another function."""
    code = FakeCode({0x10_0000: x86(8), 0x10_1FFF: OUTERMOST})
    start = registers("x86_64", rip=0x10_0000, rsp=STACK)
    steps, complete = walk(ABIS["x86_64"], start, words(0x10_2000), code)
    assert steps == [Step(0x10_0000, after_call=False), Step(0x10_2000, after_call=True)]
    assert complete


def test_a_frame_that_a_signal_interrupted_is_looked_up_where_it_stood() -> None:
    code = FakeCode({0x10_0000: x86(8, signal=True), 0x10_2000: OUTERMOST})
    start = registers("x86_64", rip=0x10_0000, rsp=STACK)
    steps, complete = walk(ABIS["x86_64"], start, words(0x10_2000), code)
    assert steps[1] == Step(0x10_2000, after_call=False)
    assert complete


def test_a_saved_register_carries_the_frame_of_the_caller() -> None:
    """The callee saved rbp; the caller's CFA is rbp + 16."""
    caller = Rules(CfaRule(6, 16), {16: Recovery(How.AT_CFA, -8)}, 16, signal_frame=False)
    code = FakeCode(
        {
            0x10_0000: x86(16, rbp=Recovery(How.AT_CFA, -16)),
            0x10_0FFF: caller,
            0x10_1FFF: OUTERMOST,
        }
    )
    start = registers("x86_64", rip=0x10_0000, rsp=STACK)
    memory = words(STACK + 24, 0x10_1000, 0, 0, 0x10_2000)
    steps, complete = walk(ABIS["x86_64"], start, memory, code)
    assert [step.address for step in steps] == [0x10_0000, 0x10_1000, 0x10_2000]
    assert complete


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (Recovery(How.REGISTER, 3), 0x10_3000),
        (Recovery(How.SAME), 0x10_0000),
        (Recovery(How.CFA_PLUS, 0x10_2000 - STACK - 8), 0x10_2000),
        (Recovery(How.EXPRESSION, 0, b"\x73\x08"), 0x10_3008),  # breg3 (rbx) + 8
        (Recovery(How.AT_EXPRESSION, 0, b"\x77\x10"), 0x10_5000),  # at breg7 (rsp) + 16
    ],
)
def test_every_kind_of_rule_finds_the_return_address(rule: Recovery, found: int) -> None:
    rules = Rules(CfaRule(7, 8), {16: rule}, 16, signal_frame=False)
    start = registers("x86_64", rip=0x10_0000, rsp=STACK, rbx=0x10_3000)
    memory = words(1, 2, 0x10_5000)
    steps, _ = walk(ABIS["x86_64"], start, memory, FakeCode({0x10_0000: rules}))
    assert steps[1].address == found


def test_a_walk_ends_where_the_copy_of_the_stack_does() -> None:
    code = FakeCode({0x10_0000: x86(64)})
    start = registers("x86_64", rip=0x10_0000, rsp=STACK)
    assert walk(ABIS["x86_64"], start, words(1, 2, 3), code) == (
        [Step(0x10_0000, after_call=False)],
        False,
    )


def test_a_stack_that_returns_to_itself_ends() -> None:
    rules = Rules(CfaRule(7, 0), {16: Recovery(How.SAME)}, 16, signal_frame=True)
    start = registers("x86_64", rip=0x10_0000, rsp=STACK)
    steps, complete = walk(ABIS["x86_64"], start, words(1), FakeCode({0x10_0000: rules}))
    assert (len(steps), complete) == (1, False)


def test_what_start_returns_to_is_no_frame() -> None:
    """Above the frame of _start lies argc."""
    code = FakeCode({0x10_0000: x86(8)})
    start = registers("x86_64", rip=0x10_0000, rsp=STACK)
    steps, complete = walk(ABIS["x86_64"], start, words(1), code)
    assert (len(steps), complete) == (1, True)


def test_a_frame_pointer_that_leads_out_of_the_code_is_not_followed() -> None:
    start = registers("x86_64", rip=0x10_0000, rsp=STACK, rbp=STACK)
    nonsense = words(STACK + 16, 0xDEAD_BEEF_0000)
    assert len(walk(ABIS["x86_64"], start, nonsense, FakeCode({}))[0]) == 1
    sense = words(STACK + 16, 0x10_1000)
    assert len(walk(ABIS["x86_64"], start, sense, FakeCode({}))[0]) == 2


def test_arm64_returns_through_its_link_register_without_the_signature() -> None:
    """A leaf leaves x30 alone; the upper bits of a signed address are no address."""
    leaf = Rules(CfaRule(31, 0), {}, 30, signal_frame=False)
    saved = {29: Recovery(How.AT_CFA, -16), 30: Recovery(How.AT_CFA, -8)}
    middle = Rules(CfaRule(29, 16), saved, 30, signal_frame=False)
    last = Rules(CfaRule(31, 0), {30: Recovery(How.UNDEFINED)}, 30, signal_frame=False)
    code = FakeCode({0x10_0000: leaf, 0x10_0FFF: middle, 0x10_1FFF: last})
    start = registers("arm64", pc=0x10_0000, sp=STACK, x29=STACK, x30=0x10_1000)
    signed = 0x10_2000 | 0x2B << 56
    steps, complete = walk(ABIS["arm64"], start, words(STACK + 32, signed), code)
    assert [step.address for step in steps] == [0x10_0000, 0x10_1000, 0x10_2000]
    assert complete


def test_i386_has_words_of_four_bytes() -> None:
    rules = Rules(CfaRule(4, 4), {8: Recovery(How.AT_CFA, -4)}, 8, signal_frame=False)
    code = FakeCode({0x10_0000: rules, 0x10_0FFF: rules})
    start = registers("i386", eip=0x10_0000, esp=STACK)
    steps, _ = walk(ABIS["i386"], start, words(0x10_1000, 0x10_2000, size=4), code)
    assert [step.address for step in steps] == [0x10_0000, 0x10_1000, 0x10_2000]


def test_the_cfa_within_a_plt_entry_depends_on_how_far_it_has_come() -> None:
    """The expression that linkers write: rsp + 8, and 8 more from the 11th byte on."""
    plt = bytes([0x77, 8, 0x80, 0, 0x3F, 0x1A, 0x3B, 0x2A, 0x33, 0x24, 0x22])
    for offset, expected in ((0, 8), (10, 8), (11, 16), (15, 16)):
        values = registers("x86_64", rsp=STACK, rip=0x10_0040 + offset)
        assert evaluate(plt, values, words(), []) == STACK + expected


@pytest.mark.parametrize(
    ("code", "stack", "result"),
    [
        (b"\x09\xff", [], (1 << 64) - 1),  # const1s -1
        (b"\x0a\x34\x12", [], 0x1234),  # const2u
        (b"\x11\x7f\x19", [], 1),  # consts -1, abs
        (b"\x10\xe5\x8e\x26", [], 624485),  # constu
        (b"\x1c", [5, 7], (1 << 64) - 2),  # minus
        (b"\x1b", [(1 << 64) - 7, 2], (1 << 64) - 3),  # div truncates
        (b"\x1d", [17, 5], 2),  # mod
        (b"\x26", [1 << 63, 63], (1 << 64) - 1),  # shra keeps the sign
        (b"\x24", [1, 64], 0),  # shl past the end
        (b"\x2d", [(1 << 64) - 1, 0], 1),  # lt is signed
        (b"\x15\x02", [1, 2, 3], 1),  # pick
        (b"\x14", [1, 2], 1),  # over
        (b"\x16", [1, 2], 1),  # swap
        (b"\x17\x13", [1, 2, 3], 1),  # rot, drop: third was second, below it the first
        (b"\x12\x28\x01\x00\x31\x23\x05", [3], 8),  # bra over lit1
        (b"\x06", [STACK], 0x1122_3344_5566_7788),  # deref
        (b"\x94\x02", [STACK], 0x7788),  # deref_size
        (b"\x06", [1], None),  # deref of what was not copied
    ],
)
def test_operations_of_expressions_do_what_dwarf_says(
    code: bytes, stack: list[int], result: int | None
) -> None:
    memory = StackCopy(STACK, struct.pack("<Q", 0x1122_3344_5566_7788), 8)
    assert evaluate(code, [], memory, list(stack)) == result


def test_remembered_rules_come_back_and_later_ones_are_not_run() -> None:
    state = State(1, -8, location=100)
    program = bytes([0x0C, 7, 8, 0x90, 1])  # CFA = rsp + 8; return address at CFA - 8
    program += bytes([0x41, 0x0E, 16, 0x0A])  # 101: CFA = rsp + 16; remember
    program += bytes([0x44, 0x0E, 8])  # 105: CFA = rsp + 8
    program += bytes([0x41, 0x0B])  # 106: restore
    program += bytes([0x4A, 0x0F, 1, 0x50])  # 116: CFA by expression
    state.run(program, until=115, budget=Budget(100))
    assert state.cfa == CfaRule(7, 16)
    assert state.registers[16] == Recovery(How.AT_CFA, -8)


ALIASES = """
int __attribute__((noinline)) __libc_thing(int x) { return x * 3; }
extern int thing(int) __attribute__((weak, alias("__libc_thing")));
extern int _Thing(int) __attribute__((alias("__libc_thing")));
static int __attribute__((used, noinline)) local(int x) { return x * 5; }
extern int _exported(int) __attribute__((alias("local")));
__asm__(".text; .globl sized; .type sized, @function; sized: nop; .size sized, 1; nop; nop");
"""


@pytest.fixture(scope="module")
def aliases(tmp_path_factory: pytest.TempPathFactory) -> ElfObject:
    folder = tmp_path_factory.mktemp("aliases")
    source = folder / "aliases.c"
    source.write_text(ALIASES)
    library = compile_c(folder / "aliases.so", "-shared", "-fPIC", source=source)
    return ElfObject(str(library), FileSource(str(library)), Budget(100_000))


def start_of(found: ElfObject, name: str) -> int:
    start, end = found.elf.text or (0, 0)
    functions = (found.function(address) for address in range(start, end))
    return next(f.start for f in functions if f is not None and f.name == name)


def test_the_name_that_callers_write_is_preferred(aliases: ElfObject) -> None:
    """fork, not __libc_fork or _Fork; but a name with an underscore if it is the only one."""
    assert start_of(aliases, "thing")
    assert start_of(aliases, "local")
    with pytest.raises(StopIteration):
        start_of(aliases, "__libc_thing")


def test_an_address_past_the_end_of_a_function_is_in_none(aliases: ElfObject) -> None:
    start = start_of(aliases, "sized")
    assert aliases.function(start + 1) is None


@pytest.mark.parametrize(("abi", "length"), [("x86_64", 2), ("i386", 2), ("arm64", 4)])
def test_a_call_right_behind_the_last_unwind_rule_goes_by_that_rule(abi: str, length: int) -> None:
    """libc ends the rules of clone3 before its syscall, as they are wrong in the child."""
    numbers = ABIS[abi]
    rule = Rules(
        CfaRule(numbers.stack_pointer, 8),
        {numbers.pc: Recovery(How.AT_CFA, -8)},
        numbers.pc,
        signal_frame=False,
    )
    code = FakeCode({0x10_0017 - 1: rule, 0x10_1FFF: OUTERMOST})
    pc = {"pc": 0x10_0017 + length, "rip": 0x10_0017 + length, "eip": 0x10_0017 + length}
    start = registers(abi, **pc, rsp=STACK, esp=STACK, sp=STACK)
    memory = words(0x10_2000, size=numbers.word)
    steps, _ = walk(numbers, start, memory, code)
    assert [step.address for step in steps] == [0x10_0017 + length, 0x10_2000]
