"""The target controls its files and its stack: nothing in them may raise, hang or fill memory."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.symbols.support import PLUGIN, compile_c
from tracer.symbols import BuildIdFrame, Mapping, Namer, RawStack
from tracer.symbols.elf import Elf
from tracer.symbols.expression import evaluate
from tracer.symbols.objects import ElfObject
from tracer.symbols.rules import Budget, State
from tracer.symbols.source import FileSource, MalformedError, MemorySource
from tracer.symbols.unwind import MAX_FRAMES, StackCopy

if TYPE_CHECKING:
    from tracer.model import Frame

U64 = st.integers(0, (1 << 64) - 1)
WORK = 20_000
SLOW = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("hostile")
    options = ("-g", "-shared", "-fPIC")
    return compile_c(folder / "plugin.so", *options, source=PLUGIN).read_bytes()


def use(data: bytes, addresses: list[int]) -> None:
    """All that naming does with a file."""
    budget = Budget(WORK)
    try:
        found = ElfObject("x", MemorySource(data), budget)
    except MalformedError:
        return
    assert found.elf.build_id is None or len(found.elf.build_id) <= 128
    assert len(found.elf.needs.libraries) <= 256
    assert len(found.elf.sections) <= 16384
    for address in addresses:
        found.rules(address)
        found.function(address)
        found.elf.address_of_offset(address)


@given(st.binary(max_size=2000), st.lists(U64, max_size=3))
@SLOW
def test_random_bytes_are_no_elf_file_or_one_without_names(tail: bytes, places: list[int]) -> None:
    use(tail, places)
    for head in (b"\x7fELF\x02\x01", b"\x7fELF\x01\x01"):
        use(head + tail, places)


@given(data=st.data())
@SLOW
def test_a_real_library_with_any_bytes_changed_never_raises(
    library: bytes, data: st.DataObject
) -> None:
    """Mostly in the headers and the tables, where lengths, counts and links are."""
    changed = bytearray(library)
    spots = st.one_of(st.integers(0, 1024), st.integers(0, len(library) - 9))
    values = st.one_of(U64, st.sampled_from([0, 1, (1 << 63) - 1, (1 << 64) - 1, len(library)]))
    for _ in range(data.draw(st.integers(1, 8))):
        at, size = data.draw(spots), data.draw(st.sampled_from([1, 2, 4, 8]))
        changed[at : at + size] = data.draw(values).to_bytes(8, "little")[:size]
    use(bytes(changed), data.draw(st.lists(st.integers(0, len(library)), max_size=6)))


def test_an_interpreter_that_lies_outside_the_file_is_none() -> None:
    """Of a program that would otherwise be sound."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, *[0] * 2, 64, 56, 1, 64, 0, 0
    )
    interp = struct.pack("<IIQQQQQQ", 3, 4, 0x6000000000000083, 0, 0, 28, 28, 1)  # PT_INTERP
    assert Elf(MemorySource(header + interp)).needs.interpreter is None


@given(cut=st.floats(0, 1))
@SLOW
def test_a_real_library_cut_off_anywhere_never_raises(library: bytes, cut: float) -> None:
    use(library[: int(len(library) * cut)], [0x1100, 0x1110])


@given(st.binary(max_size=300), U64)
@SLOW
def test_random_call_frame_instructions_end(code: bytes, until: int) -> None:
    budget = Budget(WORK)
    with suppress(MalformedError):
        State(1, -8, 0).run(code, until, budget)
    assert budget.left >= WORK - len(code)


@given(st.binary(max_size=100), st.lists(U64, max_size=17), st.binary(max_size=64))
@SLOW
def test_random_expressions_end_with_a_word_or_nothing(
    code: bytes, registers: list[int], stack: bytes
) -> None:
    with suppress(MalformedError):
        value = evaluate(code, registers, StackCopy(0x1000, stack, 8), [0x1010])
        assert value is None or 0 <= value < 1 << 64


def test_an_expression_that_jumps_back_for_ever_is_given_up() -> None:
    forever = bytes([0x2F]) + struct.pack("<h", -3)
    with pytest.raises(MalformedError, match="does not end"):
        evaluate(forever, [], StackCopy(0, b"", 8), [])


def test_remembered_states_do_not_pile_up() -> None:
    """DW_CFA_remember_state 60,000 times over would be gigabytes."""
    with pytest.raises(MalformedError, match="remembered"):
        State(1, -8, 0).run(b"\x0a" * 60_000, 1, Budget(100_000))


@cache
def own_mappings() -> tuple[Mapping, ...]:
    """Executable mappings of this very process, as a target full of real code."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, rights, offset, _, _, *path = line.split(None, 5)
        # Of what was replaced since it was mapped, by an upgrade say, the file is no more there.
        if "x" in rights and path and Path(path[0]).is_file():
            start, end = (int(part, 16) for part in span.split("-"))
            status = os.stat(path[0])  # noqa: PTH116 - numbers of stat are what is wanted
            identity = (status.st_ino, status.st_dev)
            found.append(Mapping(start, end, int(offset, 16), path[0], None, *identity))
    return tuple(found)


@cache
def namer() -> Namer:
    return Namer()


@given(data=st.data())
@SLOW
def test_any_stack_and_registers_end_in_at_most_64_frames(data: st.DataObject) -> None:
    """With return addresses into real code, so that the walk goes on as far as it can."""
    sites = [m.start + offset for m in own_mappings() for offset in (16, 500, 4096, 70_000)]
    base = 0x7FFF_0000_0000
    words = st.one_of(st.sampled_from(sites), st.integers(base, base + 2048), U64)
    stack = b"".join(struct.pack("<Q", w) for w in data.draw(st.lists(words, max_size=256)))
    registers = data.draw(st.lists(words, min_size=17, max_size=17))
    registers[7] = data.draw(st.sampled_from([base, base + 8, base + 3, 0]))
    frames = name(registers, base, stack)
    assert 1 <= len(frames) <= MAX_FRAMES
    assert frames[0].address == registers[16]
    assert all(0 <= frame.address < 1 << 64 for frame in frames)


def name(registers: list[int], base: int, stack: bytes) -> tuple[Frame, ...]:
    raw = RawStack("x86_64", tuple(registers), base, stack, mappings=own_mappings())
    return namer().frames(raw)


@given(
    abi=st.sampled_from(["x86_64", "i386", "x32", "arm64", "nonsense", ""]),
    registers=st.lists(U64, max_size=40),
    kernel=st.lists(st.tuples(st.integers(-1, 3), st.binary(max_size=20), U64), max_size=5),
)
@SLOW
def test_records_that_contradict_themselves_never_raise(
    abi: str, registers: list[int], kernel: list[tuple[int, bytes, int]]
) -> None:
    seen = tuple(BuildIdFrame(s, b or None, n, n) for s, b, n in kernel)
    raw = RawStack(abi, tuple(registers), 5, b"abc", seen, own_mappings(), "a\ud800", 1, 9)
    assert len(namer().frames(raw)) <= MAX_FRAMES


def test_a_file_that_claims_a_million_symbols_exhausts_its_budget_not_the_machine(
    library: bytes,
) -> None:
    budget = Budget(10)
    found = ElfObject("x", MemorySource(library), budget)
    assert found.function(0x1100) is None
    assert found.rules(0x1100) is None
    assert budget.left >= 0


def test_a_sparse_file_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(MalformedError, match="not a regular file"):
        FileSource(str(path))


def test_lengths_beyond_reason_are_refused_before_memory_is_taken(library: bytes) -> None:
    with pytest.raises(MalformedError, match="out of bounds"):
        MemorySource(library).read(0, 1 << 40)
    with pytest.raises(MalformedError, match="out of bounds"):
        MemorySource(library).read(-1, 1)
