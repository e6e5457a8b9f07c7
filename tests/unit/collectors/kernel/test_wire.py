"""The records of bpf/records.h: Python reads every field where the C compiler has put it."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import ROOT
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.blocked import REGISTER_BYTES
from tracer.collectors.kernel.paths import DIRECT_NUMBERS
from tracer.collectors.kernel.program.variant import TAILS
from tracer.model import HISTOGRAM_BUCKETS, HISTOGRAM_FIRST_SHIFT, Loss
from tracer.report import losses

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = ROOT / "bpf" / "records.h"
TARGET = {"x86_64": "x86", "aarch64": "arm64"}
# What bpf/arch.h takes from bcc and from the loader, as far as a C compiler must know it.
STANDINS = """
#include <stddef.h>
#include <stdio.h>
#include <linux/bpf.h>
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32;
typedef unsigned long long u64; typedef int s32; typedef long long s64;
struct task_struct;
#define __always_inline __attribute__((unused)) inline
#define OFFSET_thread_info_status 0
#define OFFSET_thread_info_flags 0
#define OFFSET_pt_regs_syscallno 0
#define OFFSET_pt_regs_orig_x0 0
#define bpf_probe_read_kernel(to, size, from)
#include "records.h"
"""
OWNED = b"\1" + bytes(15)
"""What stands before the head of a thread: its owner, and what only the program reads."""
# struct of C -> (its reader, {field of C: attribute}).
FIELDS: dict[str, tuple[Callable[[bytes], Any], dict[str, str]]] = {
    "head": (
        lambda data: next(wire.threads(memoryview(OWNED + data)[: wire.THREAD_BYTES])),
        {
            name: name
            for name in (
                *("table", "flags", "image", "pid", "tid", "ppid", "exit_code"),
                *("process_ns", "parent_ns", "thread_ns", "image_ns", "returned"),
                *("call_ns", "call_nr", "call_abi", "slots", "sigsys"),
            )
        },
    ),
    "written": (
        lambda data: wire.further(data[: wire.WRITTEN_BYTES])[0],
        {name: name for name in ("kind", "end", "end_ns")},
    ),
    "slot": (
        wire.slot,
        {n: n for n in ("nr", "abi", "errors", "blocked", "total_ns", "min_ns", "max_ns")},
    ),
    "start_record": (
        wire.start,
        {
            name: name
            for name in (
                *("kind", "image", "pid", "tid", "ppid", "process_ns", "parent_ns", "thread_ns"),
            )
        },
    ),
    "exec_record": (
        wire.exec_,
        {n: n for n in ("image", "pid", "process_ns", "at_ns")} | {"argv_whole": "whole_bytes"},
    ),
    "file_record": (
        wire.file,
        {
            name: name
            for name in (
                *("kind", "image", "pid", "device", "process_ns", "start", "length", "file_offset"),
                "inode",
            )
        },
    ),
    "blocked_key": (
        wire.blocked_key,
        {
            name: name
            for name in (
                *("process_ns", "thread_ns", "pid", "tid", "image", "nr", "abi", "how"),
                *("sigsys", "ret", "ip", "sp"),
            )
        },
    ),
    "blocked_record": (
        lambda data: wire.blocked(data, REGISTER_BYTES),
        {name: name for name in ("at_ns", "code_start", "code_end")},
    ),
    "overflow_key": (
        wire.overflow_key,
        {
            name: name
            for name in (
                *("process_ns", "thread_ns", "pid", "tid", "image", "nr", "abi", "errno_blocked"),
            )
        },
    ),
}
SIZES = {
    "struct thread": wire.THREAD_BYTES,
    "struct table": wire.TABLE_BYTES,
    "struct written": wire.WRITTEN_BYTES,
    "struct enrolled": len(wire.armed()),
    "struct spare": len(wire.spare(0, 0)),
    "struct pool_state": wire.POOL_STATE_BYTES,
    "struct blocked_key": wire.KEY_BYTES,
    "struct blocked_count": wire.COUNT_BYTES,
    "struct text_key": wire.TEXT_KEY_BYTES,
    "struct text_count": wire.COUNT_BYTES,
    "struct slot": wire.SLOT_BYTES,
    "struct overflow_key": wire.OVERFLOW_KEY_BYTES,
    "struct argument_record": wire.ARGUMENT_BYTES,
    "user_regs": REGISTER_BYTES,
}
ARRAYS = {
    "head": ("further",),
    "written": ("comm", "head"),
    "slot": ("histogram",),
    "exec_record": ("filename", "argv", "argv_bytes"),
    "file_record": ("path_bytes", "path_whole", "path"),
    "text_key": ("row_ns", "tid", "bytes", "text"),
    "text_count": ("count", "first_ns", "last_ns"),
    "blocked_key": ("args",),
    "blocked_record": ("key", "frames_bytes", "frames", "regs", "stack_bytes", "stack"),
    "thread": ("owner", "head"),
    "enrolled": ("armed", "thread"),
    "table": ("kind", "errnos", "written", "slots"),
    "pool_state": ("taken", "all", "low"),
    "errno_key": ("nr", "abi", "errno_blocked"),
    "errno_slot": ("key", "count"),
    "blocked_count": ("count", "first_ns", "last_ns"),
}

CONSTANTS = {
    name: value
    for name in re.findall(r"(?m)^#define (\w+) ", RECORDS.read_text())
    if isinstance(value := getattr(wire, name, None), int)
}
CONSTANTS |= {
    "DIRECT_NRS": DIRECT_NUMBERS,
    "HISTOGRAM_FIRST_SHIFT": HISTOGRAM_FIRST_SHIFT,
    "LOSSES": len(wire.LOSSES),
    "TAILS": len(TAILS),
    "TAIL_WALK_PATH": TAILS.index("walk_path"),
    "TAIL_NOTE_TEXTS": TAILS.index("note_texts"),
}
"""Those of C that Python has too."""

Places = dict[str, tuple[int, int]]
"""``struct.field``, type or constant -> (offset or value, size), as the compiler says."""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler on PATH")
    known = [(struct, field) for struct, (_, fields) in FIELDS.items() for field in fields]
    known += [(struct, field) for struct, fields in ARRAYS.items() for field in fields]
    lines = [
        f'printf("{s}.{f} %zu %zu\\n", offsetof(struct {s}, {f}), sizeof(((struct {s} *)0)->{f}));'
        for s, f in known
    ]
    lines += [f'printf("{name} %lld 0\\n", (long long)({name}));' for name in CONSTANTS]
    lines += [f'printf("{name.replace(" ", "_")} 0 %zu\\n", sizeof({name}));' for name in SIZES]
    folder = tmp_path_factory.mktemp("wire")
    source = folder / "places.c"
    source.write_text(STANDINS + "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n")
    options = [f"-I{RECORDS.parent}", f"-I{RECORDS.parent / 'include'}", "-w"]
    options.append(f"-D__TARGET_ARCH_{TARGET[platform.machine()]}")
    program = folder / "places"
    subprocess.run(["gcc", *options, str(source), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return {name: (int(at), int(size)) for name, at, size in map(str.split, printed.splitlines())}


def record(places: Places, struct: str, **values: bytes | int) -> bytes:
    """A structure as C would fill it: zeros but for ``values``."""
    data = bytearray(1 << 16)
    for field, value in values.items():
        at, size = places[f"{struct}.{field}"]
        raw = value if isinstance(value, bytes) else value.to_bytes(size, "little")
        data[at : at + len(raw)] = raw
    return bytes(data)


@pytest.mark.parametrize(
    ("struct", "field"), [(struct, field) for struct in FIELDS for field in FIELDS[struct][1]]
)
def test_each_field_is_read_where_c_has_it(places: Places, struct: str, field: str) -> None:
    """Set alone, it is read back alone."""
    read, names = FIELDS[struct]
    value = 7  # small enough for counts of what follows, too
    before, after = (read(record(places, struct, **v))._asdict() for v in ({}, {field: value}))
    changed = {name for name in after if after[name] != before[name]} - {"key_bytes"}
    assert after[names[field]] == value
    assert changed == {names[field]}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_of_c(places: Places, name: str) -> None:
    """Of keys and values of maps, which bcc hands over as bytes."""
    assert places[name.replace(" ", "_")] == (0, SIZES[name])


def test_numbers_that_python_has_too_are_those_of_c(places: Places) -> None:
    """As the compiler works them out: how much room there is, and which program is which."""
    assert len(CONSTANTS) > 40
    assert {name: places[name][0] for name in CONSTANTS} == CONSTANTS


def test_a_call_changes_one_cache_line_of_its_thread(places: Places) -> None:
    """And a table is a power of two, so that the way to it has no multiplication."""
    assert places["struct_thread"][1] % 64 == 0
    for field in ("flags", "call_nr", "call_abi", "call_ns", "returned", "slots", "table"):
        at, size = places[f"head.{field}"]
        assert places["thread.head"][0] + at + size <= 64
    assert places["struct_table"][1].bit_count() == 1


def test_the_state_of_the_pool_is_written_where_c_has_it(places: Places) -> None:
    data = record(places, "pool_state", taken=1, all=2, low=3)
    assert wire.pool_state(data) == (1, 2, 3)
    assert places["pool_state.all"][0] == wire.POOL_ALL_AT
    assert places["pool_state.low"][0] == wire.POOL_LOW_AT


def test_wide_and_negative_values_are_read_whole(places: Places) -> None:
    """64 bits of an argument, a negative result, a wait status."""
    full = 2**64 - 1
    data = record(places, "blocked_key", ip=full, sp=full - 1, ret=full, args=bytes([255]) * 48)
    key = wire.blocked_key(data)
    assert (key.ip, key.sp, key.ret, key.args) == (full, full - 1, -1, (full,) * 6)


def element(places: Places, head: bytes, calls: tuple[int, ...]) -> bytes:
    """An element of the pool with an errno and a slot for each of ``calls``."""
    slot_bytes = places["struct_slot"][1]
    key = record(places, "errno_key", nr=3, errno_blocked=0x8000 | 13)
    errno = record(places, "errno_slot", key=key[: places["errno_slot.key"][1]], count=5)
    histogram = b"".join(n.to_bytes(8, "little") for n in range(HISTOGRAM_BUCKETS))
    slots = [record(places, "slot", nr=nr, histogram=histogram)[:slot_bytes] for nr in calls]
    written = record(places, "written", comm=b"name", head=head[: places["written.head"][1]])
    data = record(
        places,
        "table",
        kind=wire.RECORD_THREAD,
        errnos=errno[:16],
        written=written[: places["table.written"][1]],
        slots=b"".join(slots),
    )
    return data[: wire.TABLE_BYTES]


ALL = tuple(range(100, 100 + wire.SLOTS + 2))
"""Two calls more than the table itself has slots for."""


def test_a_table_is_read_with_its_slots_and_errnos(places: Places) -> None:
    """What lies in a further element comes in a record of its own."""
    head = record(places, "head", tid=1, slots=len(ALL))
    start, slots_at = places["table.kind"][0], places["table.slots"][0]
    of_first = element(places, head, ALL[: wire.SLOTS])[start:-8]
    table = wire.table(of_first)
    assert [slot.nr for slot in table.slots] == [*ALL[: wire.SLOTS]]
    assert table.slots[1].histogram == tuple(range(HISTOGRAM_BUCKETS))
    assert table.errnos == (wire.Errno(3, 0, 13, blocked=True, count=5),)
    assert table.head.comm.rstrip(b"\0") == b"name"
    begin, end = places["table.written"][0], slots_at + 2 * places["struct_slot"][1]
    of_rest = element(places, head, ALL[wire.SLOTS :])[begin:end]
    head_of_rest, slots = wire.further(of_rest)
    assert (head_of_rest.tid, [slot.nr for slot in slots]) == (1, [*ALL[wire.SLOTS :]])


def test_a_live_table_is_read_over_all_its_elements(places: Places) -> None:
    further = (9).to_bytes(2, "little")
    head = record(places, "head", tid=1, table=5, slots=len(ALL), further=further)
    memory = {
        5: memoryview(element(places, head, ALL[: wire.SLOTS])),
        9: memoryview(element(places, head, ALL[wire.SLOTS :])),
    }
    (found,) = wire.threads(memoryview((OWNED + head)[: wire.THREAD_BYTES] + bytes(128)))
    table = wire.live_table(found, memory.__getitem__)
    assert [slot.nr for slot in table.slots] == [*ALL]
    assert table.errnos == (wire.Errno(3, 0, 13, blocked=True, count=5),)


def test_who_found_no_table_has_a_head_alone(places: Places) -> None:
    """Its calls are in `overflow`."""
    head = record(places, "head", tid=1, slots=110)[: places["written.head"][1]]
    data = record(places, "written", kind=wire.RECORD_BARE, head=head)[: wire.WRITTEN_BYTES]
    assert wire.table(data)[1:] == ((), ())
    (found,) = wire.threads(memoryview((OWNED + head)[: wire.THREAD_BYTES]))
    assert wire.live_table(found, {}.__getitem__)[1:] == ((), ())


def test_no_table_has_room_for_no_errno(places: Places) -> None:
    data = wire.no_table()
    at, size = places["table.errnos"]
    entry, count = places["struct_table"][1], places["errno_slot.count"][0]
    assert len(data) == entry
    assert all(int.from_bytes(data[i + count : i + 16], "little") for i in range(at, at + size, 16))
    assert not any(data[:at] + data[at + size :])


@pytest.mark.parametrize(
    ("names", "whole", "path"),
    [
        (b"libc.so.6\0lib\0usr\0", 1, b"/usr/lib/libc.so.6"),
        (b"init\0", 1, b"/init"),
        (b"libc.so.6\0lib\0", 0, None),
        (b"memfd:x\0", 0, None),
        (b"\xff \n\0", 1, b"/\xff \n"),
        (b"", 0, None),
    ],
)
def test_a_path_is_put_together_from_the_file_up(
    places: Places, names: bytes, whole: int, path: bytes | None
) -> None:
    """And only where the walk came to the root; what an earlier one left behind is not read."""
    data = record(
        places, "file_record", path=names + b"junk\0", path_bytes=len(names), path_whole=whole
    )
    file = wire.file(data)
    assert (file.name, file.path) == (names.split(b"\0")[0], path)


def test_texts_are_as_many_as_the_call_has_and_none_where_unread(places: Places) -> None:
    size = places["struct_text_key"][1]
    count = record(places, "text_count", count=3, first_ns=5, last_ns=6)[: wire.COUNT_BYTES]
    for sizes, texts, said in (
        ((4, 0), (b"/a/\0", b""), (b"/a/",)),
        ((2, 3), (b"a\0", b"b\xff\0"), (b"a", b"b\xff")),
        ((-1, 2), (b"", b"b\0"), (None, b"b")),
        ((1, 0), (b"\0", b""), (b"",)),
        ((240, 0), (b"x" * 239 + b"\0", b""), (b"x" * 239,)),
    ):
        held = texts[0].ljust(wire.TEXT_BYTES, b"\0") + texts[1]
        data = record(
            places,
            "text_key",
            row_ns=9,
            tid=8,
            bytes=b"".join(n.to_bytes(2, "little", signed=True) for n in sizes),
            text=held,
        )
        assert wire.text(data[:size], count) == wire.Text((9, 8), said, 3, 5, 6)


def test_names_end_with_their_zero(places: Places) -> None:
    """What an earlier, longer one left behind it is not read."""
    data = record(places, "exec_record", filename=b"/bin/\xff\0x", argv=b"a\0b\0", argv_bytes=4)
    exec_ = wire.exec_(data)
    assert (exec_.filename, exec_.argv) == (b"/bin/\xff", b"a\0b\0")


def test_a_refused_record_is_taken_apart(places: Places) -> None:
    """Key, frames, registers and as much of the stack as was copied."""
    key = record(places, "blocked_key", pid=5, args=b"\1")[: wire.KEY_BYTES]
    data = record(
        places,
        "blocked_record",
        key=key,
        frames_bytes=32,
        frames=b"f" * 32,
        regs=b"r" * REGISTER_BYTES,
        stack_bytes=3,
        stack=b"abcd",
    )
    blocked = wire.blocked(data, REGISTER_BYTES)
    assert blocked.key_bytes == key
    assert (blocked.key.pid, blocked.key.args[0]) == (5, 1)
    assert (blocked.frames, blocked.stack) == (b"f" * 32, b"abc")
    assert blocked.registers == b"r" * REGISTER_BYTES


def test_frames_that_could_not_be_had_are_none(places: Places) -> None:
    """bpf_get_stack's error in place of their size."""
    failed = (-14 % 2**64).to_bytes(8, "little")
    data = record(places, "blocked_record", frames_bytes=failed, frames=b"f" * 32)
    assert wire.blocked(data, REGISTER_BYTES).frames == b""


def test_the_launcher_is_enrolled_armed(places: Places) -> None:
    """Nothing of it counts yet: it has no place among the threads."""
    assert wire.armed() == record(places, "enrolled", armed=1)[: places["struct_enrolled"][1]]


@pytest.mark.parametrize("prefix", ["RECORD", "END", "THREAD", "BLOCKED", "MARK", "VERDICT"])
def test_constants_are_those_of_c(prefix: str) -> None:
    """Each #define of a kind, an end, a flag, a way."""
    text = RECORDS.read_text()
    defined = dict(re.findall(rf"^#define ({prefix}_[A-Z_]+)\s+(\d+)", text, re.MULTILINE))
    assert defined
    assert {name: getattr(wire, name) for name in defined} == {
        name: int(value) for name, value in defined.items()
    }


def test_every_loss_has_a_name_words_and_its_line_in_the_documentation() -> None:
    """As many as the program counts; each told apart in reports and in docs/counting.md."""
    (count,) = re.findall(r"^#define LOSSES\s+(\d+)", RECORDS.read_text(), re.MULTILINE)
    assert len(wire.LOSSES) == int(count)
    documentation = (ROOT / "docs" / "counting.md").read_text()
    kinds = (*wire.LOSSES, "missed_runs")
    said = {losses.words(Loss("kernel", kind, 2)) for kind in kinds}
    assert len(said) == len(kinds)
    for kind in kinds:
        assert f"| `{kind}` |" in documentation
        assert " x " not in losses.words(Loss("kernel", kind, 2))


@pytest.mark.parametrize(("size", "room"), [(0, 8), (1, 16), (8, 16), (9, 24)])
def test_a_record_takes_its_head_and_whole_words_of_the_ring(size: int, room: int) -> None:
    """bpf_ringbuf_reserve: 8 bytes of head, rounded up to 8."""
    assert wire.ring_room(bytes(size)) == room
