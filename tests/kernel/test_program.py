"""The BPF program: compiled once for all kernels, linked for this one, verified at each start."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.kernel.supervised import until
from tests.support import ROOT
from tracer import syscalls
from tracer.collectors.kernel import threads, wire
from tracer.collectors.kernel.program import built, cache, libbpf, offsets
from tracer.collectors.kernel.program import compile as compiler
from tracer.collectors.kernel.program import loaded as program_module
from tracer.collectors.kernel.program.loaded import Program
from tracer.collectors.kernel.program.variant import (
    AGAIN,
    RARE,
    RING_BYTES,
    SHIPPED,
    Feature,
    Features,
    variant,
)
from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


pytestmark = pytest.mark.kernel
VERIFIED_AT = 216
"""Where verified_insns lies in struct bpf_prog_info (include/uapi/linux/bpf.h)."""


NOT_LOGGING = variant()
GETPPID = syscalls.number(syscalls.native_abi(), "getppid")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources with nothing built; what is kept is kept beside it."""
    copy = tmp_path / "bpf"
    shutil.copytree(ROOT / "bpf", copy, ignore=shutil.ignore_patterns("built"))
    for module in (built, cache, compiler):
        monkeypatch.setattr(module, "bpf_dir", lambda: copy)
    for name in ("load", "save"):
        monkeypatch.setattr(cache, name, partial(getattr(cache, name), folder=tmp_path / "kept"))
    return copy


@pytest.mark.parametrize("features", SHIPPED)
def test_linked_for_this_kernel_it_is_what_a_compiler_for_this_kernel_makes(
    features: Features,
) -> None:
    """Instruction for instruction: no stand-in is left, and no offset is asked for in vain."""
    which = variant(features)
    values = offsets.kernel_values() | offsets.host_values()
    once, direct = compiler.compile_program(which), compiler.compile_with(which, values)
    descriptors = {name: 3 + i for i, name in enumerate(once.maps)}
    assert (once.maps, once.btf) == (direct.maps, direct.btf)
    for name, code in direct.programs.items():
        assert code.values == []
        assert once.linked(name, descriptors, values) == direct.linked(name, descriptors, {})
    used = {gap for code in once.programs.values() for _, gap in code.values}
    assert used == set(offsets.names(which.machine))


def test_what_was_built_is_loaded_without_a_compiler(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start on a kernel; the second one does not need what was built either."""
    built.build(NOT_LOGGING)
    monkeypatch.delattr(compiler, "compile_program")
    Program(lambda _record: None).close()
    shutil.rmtree(folder / "built")
    Program(lambda _record: None).close()


def test_what_was_built_has_the_owner_of_the_sources(folder: Path) -> None:
    """Where `make setup` asked sudo for it, nothing in the user's checkout is root's."""
    shutil.chown(folder, 65534, 65534)
    path = built.build(NOT_LOGGING)
    for made in (path, path.parent):
        assert (made.stat().st_uid, made.stat().st_gid) == (65534, 65534)
    assert [made.name for made in path.parent.iterdir()] == [f"{NOT_LOGGING.name}.json"]


def test_only_what_was_built_of_these_sources_is_used(folder: Path) -> None:
    """None may have been; and none is used of a changed file, beside one more, of another
    variant, or in pieces."""
    assert built.load(NOT_LOGGING) is None
    path = built.build(NOT_LOGGING)
    whole = path.read_bytes()
    assert built.load(NOT_LOGGING) is not None
    source = folder / "table.h"
    text = source.read_text()
    source.write_text(text + "/* another */\n")
    assert built.load(NOT_LOGGING) is None
    source.write_text(text)
    assert built.load(NOT_LOGGING) is not None
    (folder / "include" / "another.h").touch()
    assert built.load(NOT_LOGGING) is None
    (folder / "include" / "another.h").unlink()
    for part in (b"", b"{}", b"[]", whole[:-9]):
        path.write_bytes(part)
        assert built.load(NOT_LOGGING) is None
    path.with_name(f"{variant(frozenset({Feature.LOGGING})).name}.json").write_bytes(whole)
    assert built.load(variant(frozenset({Feature.LOGGING}))) is None


@pytest.mark.parametrize("path", ["task_struct.no_such_field", "no_such_struct.field"])
def test_a_field_that_the_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(offsets, "_FIELDS", (path,))
    with pytest.raises(KernelError, match=path):
        offsets.kernel_values()


CHILDREN = 3 * RING_BYTES // 8 // 4096
"""So many that the stacks of their refused calls alone would take the whole ring buffer."""


def refused_children(go: int) -> None:
    """Be a program that forks CHILDREN, with one refused getpgid each; begins after a byte."""
    import pyseccomp

    filtered = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    filtered.add_rule(pyseccomp.ERRNO(errno.EXFULL), "getpgid")
    filtered.load()
    os.read(go, 1)
    script = (
        "import ctypes, os\nasked = ctypes.CDLL(None).getpgid\n"
        f"for i in range({CHILDREN}):\n"
        " if os.fork() == 0: asked(i); os._exit(0)\n"
        " os.wait()"
    )
    words = [sys.executable, "-Ic", script]
    os.execv(words[0], words)  # noqa: S606 - no shell is started


@contextmanager
def ran_unread(taken: list[bytes]) -> Iterator[tuple[Program, dict[str, int]]]:
    """Run refused_children to its end, with nobody who reads the ring buffer."""
    program = Program(taken.append)
    ready, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            refused_children(ready)
        finally:
            os._exit(99)
    try:
        pidfd = os.pidfd_open(pid)
        program.attach()
        program.enrol(pidfd)
        os.close(pidfd)
        with program._records._lock:
            os.write(go, b"x")
            assert os.waitpid(pid, 0)[1] == 0
            losses = program.losses()
        yield program, losses
    finally:
        program.close()
        os.close(ready)
        os.close(go)


def test_stacks_leave_room_for_the_tables() -> None:
    """Also where nobody reads the ring buffer while one child after the other is refused a call:
    stacks are lost, and counted as lost, but no table, no start and none of the calls. And what
    has been read is room for stacks again."""
    taken: list[bytes] = []
    with ran_unread(taken) as (program, counts):
        losses = {name: count for name, count in counts.items() if count}
        program.consume()
        slots = [slot for data in taken for slot in slots_of(data)]
        stacks = [data for data in taken if wire.kind_of(data) == wire.RECORD_BLOCKED]
        assert sum(slot.blocked for slot in slots) == CHILDREN
        assert losses == {"lost_stacks": CHILDREN - len(stacks)}
        room = sum(map(wire.ring_room, stacks))
        assert RING_BYTES // 2 - wire.ring_room(stacks[0]) < room <= RING_BYTES // 2
        assert stack_marks(program) == (room, room)


THREADS = wire.CHUNK_TABLES + 76
"""More than the first chunk has tables for."""
PLACES_BYTES = wire.THREAD_BYTES * wire.THREADS
"""Of all lanes and rooms for guests; each begins with its owner and, of a lane, who wants it."""
AT_ONCE = 100
WAITING = f"""
import _thread, os
_thread.stack_size(65536)
hold = _thread.allocate_lock(); hold.acquire()
begun, begin = os.pipe()
for i in range({THREADS}):
    _thread.start_new_thread(lambda: (os.getppid(), os.write(begin, b"x"), hold.acquire()), ())
    if i % {AT_ONCE} == 0:
        os.write(1, b"x"); os.read(0, 1)
for i in range({THREADS}):
    os.read(begun, 1)
os.write(1, b"x"); os.read(0, 1)
os._exit(0)
"""


@contextmanager
def waiting_threads(
    taken: list[bytes], meanwhile: Callable[[Program], None] = Program.consume
) -> Iterator[tuple[Program, list[wire.Table]]]:
    """A program after a target of so many threads, and their tables while all were alive.

    ``meanwhile`` is called each time that AT_ONCE more of them live, and when all do.
    """
    program = Program(taken.append)
    command = [sys.executable, "-Ic", "import os, sys; os.read(0, 1); os.execv(*eval(sys.argv[1]))"]
    words = [sys.executable, "-Ic", WAITING]
    try:
        program.attach()
        with subprocess.Popen(
            [*command, repr((words[0], words))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            pidfd = os.pidfd_open(process.pid)
            program.enrol(pidfd)
            os.close(pidfd)
            process.stdin.write(b"x")
            while process.stdout.read(1):
                meanwhile(program)
                live = list(program.live_tables())
                process.stdin.write(b"x")
        program.consume()
        yield program, live
    finally:
        program.close()


def asked_by(taken: list[bytes]) -> int:
    """How often getppid was called, by the records of ended threads."""
    asked = [slot for data in taken for slot in slots_of(data) if slot.nr == GETPPID]
    return sum(sum(slot.histogram) for slot in asked)


def test_tables_are_added_as_threads_become_more() -> None:
    """More live at once than the pool begins with, and every one is counted."""
    taken: list[bytes] = []
    with waiting_threads(taken) as (program, live):
        assert not any(program.losses().values())
    assert len(live) == THREADS + 1
    assert sum(table.head.table == wire.NO_TABLE for table in live) == 0
    ends = [wire.table(data) for data in taken if wire.kind_of(data) in wire.TABLES_END]
    assert sum(table.head.end == wire.END_EXIT for table in ends) == THREADS + 1
    assert asked_by(taken) == THREADS


def test_tables_are_added_before_anybody_asks_for_records() -> None:
    """The record of a start wakes who reads the ring buffer, if tables are becoming few."""

    def grown(program: Program) -> bool:
        in_use, whole, _ = wire.pool_state(bytes(program._pool._state))
        return in_use < AT_ONCE or whole > wire.CHUNK_TABLES

    def wait(program: Program) -> None:
        until(lambda: grown(program), "there are more tables")

    with waiting_threads([], wait) as (program, live):
        assert not any(program.losses().values())
    assert sum(table.head.table == wire.NO_TABLE for table in live) == 0


def test_who_has_ended_leaves_its_place_and_its_table_to_others() -> None:
    """Of a thousand threads some met in a lane, and were guests elsewhere."""
    with waiting_threads([]) as (program, live):
        assert len(live) == THREADS + 1
        assert list(program.live_tables()) == []
        taken, whole, _ = wire.pool_state(bytes(program._pool._state))
        assert taken == 0
        assert (whole + 1) % wire.CHUNK_TABLES == wire.NO_TABLE  # but the first, which is no table
        with mmap.mmap(program._maps["threads"], PLACES_BYTES, prot=mmap.PROT_READ) as places:
            used = [
                at for at in range(0, PLACES_BYTES, wire.THREAD_BYTES) if any(places[at : at + 16])
            ]
        assert used == []


@pytest.mark.parametrize("lacking", ["memory", "threads"])
def test_where_no_tables_can_be_added_the_run_goes_on_and_says_what_is_lost(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread in its lane counts beyond the tables; one that is a guest is not followed."""

    def refuse(*_args: object, **_more: object) -> NoReturn:
        raise OSError(errno.EAGAIN, "no more")

    taken: list[bytes] = []
    attach = Program.attach

    def attach_and_lack(program: Program) -> None:
        attach(program)
        if lacking == "memory":
            monkeypatch.setattr(libbpf, "create_map", refuse)
        else:
            monkeypatch.setattr(threads, "start", refuse)

    monkeypatch.setattr(Program, "attach", attach_and_lack)
    with waiting_threads(taken) as (program, live):
        losses = {name: count for name, count in program.losses().items() if count}
        beyond = [slot for key, slot in program.overflow() if key.nr == GETPPID]
    unfollowed = losses.pop("unfollowed_threads", 0)
    assert len(live) + unfollowed == THREADS + 1
    assert asked_by(taken) + sum(sum(slot.histogram) for slot in beyond) + unfollowed == THREADS
    assert beyond
    assert not losses


ARRAY, ARRAY_OF_MAPS = 2, 12
"""Of enum bpf_map_type, include/uapi/linux/bpf.h."""


def test_maps_are_put_one_by_one_where_the_kernel_does_not_take_them_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libbpf.lib, "bpf_map_update_batch", lambda *_: -errno.EOPNOTSUPP)
    inner = [libbpf.create_map(ARRAY, "inner", (4, 8, 1), 0) for _ in range(2)]
    outer = libbpf.create_map(ARRAY_OF_MAPS, "outer", (4, 4, 3), 0, inner=inner[0])
    try:
        libbpf.put_maps(outer, 1, inner)
        none, first, second = (libbpf.inner_map(outer, key) for key in range(3))
        assert none is None
        assert None not in (first, second)
        assert first != second
    finally:
        for fd in (*inner, outer):
            os.close(fd)


def test_what_is_for_kernels_that_preempt_in_it_loads_here_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rare events have a second program there: `make kernels` tries them where they are needed."""
    monkeypatch.setattr(offsets, "is_preemptible", lambda _release: True)
    monkeypatch.setattr(program_module, "is_preemptible", lambda _release: True)
    program = Program(lambda _record: None)
    try:
        program.attach()
        assert {name + AGAIN for name in RARE} < set(program._programs)
        assert program.missed_runs() == 0
    finally:
        program.close()


def slots_of(data: bytes) -> tuple[wire.Slot, ...]:
    """Those of a record that has any."""
    kind = wire.kind_of(data)
    if kind in wire.TABLES_END:
        return wire.table(data).slots
    return wire.further(data)[1] if kind == wire.RECORD_FURTHER else ()


def stack_marks(program: Program) -> tuple[int, int]:
    """Bytes that stacks took in the ring buffer, and those that were given back."""
    marks = libbpf.cells(program._maps["marks"], wire.MARKS)
    return marks[wire.MARK_STACKS], marks[wire.MARK_TAKEN]


def verified(fd: int) -> int:
    """How many instructions the verifier walked: those on several paths count for each."""
    info = (ctypes.c_uint8 * (VERIFIED_AT + 4))()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    failed = libbpf.lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
    assert not failed
    return int.from_bytes(bytes(info)[VERIFIED_AT:], "little")


@pytest.mark.parametrize(
    ("logged", "verdicts", "most"),
    [
        ((), (), 14_000),
        ((1,), (), 14_400),
        # What gives a call of the vsyscall page an errno; no shipped profile does.
        ((), (0, wire.VERDICT_ERRNO + 1, 0), 15_700),
        ((1,), (0, wire.VERDICT_ERRNO + 1, 0), 16_100),
    ],
    ids=["usual", "logged", "vsyscall", "both"],
)
def test_the_verifier_has_little_to_walk(
    logged: tuple[int, ...], verdicts: tuple[int, ...], most: int
) -> None:
    """Each start waits for it, a millisecond for about 1,200 instructions. A loop that it walks
    turn by turn, or branches that double the paths, were tens of thousands."""
    program = Program(lambda _record: None, frozenset(logged), verdicts)
    try:
        walked = {name: verified(fd) for name, fd in program._programs.items()}
    finally:
        program.close()
    assert min(walked.values()) > 0
    if offsets.is_preemptible(os.uname().release):
        most *= 2  # rare events have a second program
    assert sum(walked.values()) < most, walked


def test_a_program_that_is_closed_leaves_no_descriptor() -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    Program(NOT_LOGGING).close()  # bcc keeps descriptors of its own, if it has to compile
    before = opened()
    program = Program(NOT_LOGGING)
    assert opened() > before
    program.close()
    assert opened() == before
