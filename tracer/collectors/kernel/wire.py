"""The records of bpf/records.h, as Python reads them: layouts and nothing else.

Every name and order here is that of the C structures. A load compares the sizes of those that lie
in maps (``MAP_BYTES``) with the program's maps; tests hold the rest.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tracer.model import HISTOGRAM_BUCKETS

RECORD_THREAD, RECORD_EXEC, RECORD_MAP, RECORD_BLOCKED, RECORD_START = 1, 2, 3, 4, 5
RECORD_PROGRAM, RECORD_FURTHER, RECORD_BARE, RECORD_PLAIN = 6, 7, 8, 9
RECORD_VALUES = 10
TABLES_END = (RECORD_THREAD, RECORD_BARE, RECORD_PLAIN)
"""What tells of the end of a thread or of its image."""
END_SNAPSHOT, END_EXEC, END_EXIT = 0, 1, 2
THREAD_LAST, THREAD_GROUP_EXIT, THREAD_KILLED_HERE, THREAD_CUT_SHORT = 2, 4, 8, 16
BLOCKED_RETURN, BLOCKED_SIGSYS, BLOCKED_EXIT, BLOCKED_LOG = 0, 1, 2, 3
ERRNO_BLOCKED = 0x8000

SLOTS, FURTHER = 22, 4
ERRNO_SLOTS = 64
CHUNK_TABLES, CHUNKS = 1024, 40
TABLES = CHUNKS * CHUNK_TABLES
LANES = 8192
THREADS = LANES + TABLES
NO_TABLE = 0
_DIRECT_BYTES = 2 * 512

LOSSES = (
    "lost_tables",
    "lost_calls",
    "lost_events",
    "unfollowed_children",
    "unfollowed_threads",
    "overflow_calls",
    "overflow_errnos",
    "lost_details",
    "lost_stacks",
    "skipped_calls",
    "lost_texts",
    "unseen_vsyscalls",
    "untimed_calls",
    "untold_results",
    "lost_arguments",
)
MARK_STACKS, MARK_TAKEN, MARK_LAST_EXIT, MARK_FILTERS, MARK_REAPER = 0, 1, 2, 3, 4
MARK_DOUBTFUL = 5
NO_TIME_YET = 2**64 - 1
"""``min_ns`` of a slot of which no call was timed."""
MARKS = 6
VERDICT_UNKNOWN, VERDICT_SIGNAL, VERDICT_ERRNO = 0, 1, 2

_WRITTEN = struct.Struct("=IIQ16s")
_HEAD = struct.Struct("=2IH2x3I2Q4I4Qi4HI8x")
_ERRNO = struct.Struct("=IHHQ")
_SLOT = struct.Struct(f"=II5Q{HISTOGRAM_BUCKETS}Q")
_START = struct.Struct("=6I3Q")
_EXEC = struct.Struct("=4IQQII256s")
_FILE = struct.Struct("=4I5Q2I")
_KEY = struct.Struct("=QQ8IqQQ")
_KEY_ARGS = struct.Struct("=6Q")
_COUNT = struct.Struct("=3Q")
_ARGUMENTS = struct.Struct("=2IQ4I3Q")
_TEXT_KEY = struct.Struct("=QI2h240s240s")
_BLOCKED = struct.Struct("=IIQ")
_BLOCKED_TAIL = struct.Struct("=QQq")
_FRAMES_BYTES = 16 * 32  # struct bpf_stack_build_id, include/uapi/linux/bpf.h
_RING_HEADER = 8  # BPF_RINGBUF_HDR_SZ, include/uapi/linux/bpf.h
_OWNER = struct.Struct("=Q")
_SPARE = struct.Struct("=II")
_POOL_STATE = struct.Struct("=QQQ")
POOL_STATE_BYTES = _POOL_STATE.size
POOL_ALL_AT, POOL_LOW_AT = 8, 16
_ENROLLED = struct.Struct("=II")
_OVERFLOW_KEY = struct.Struct("=QQ4IHHI")

THREAD_BYTES = 16 + _HEAD.size
_HEAD_AT = THREAD_BYTES - _HEAD.size
_KIND_BYTES = 8
_ERRNOS_BYTES = ERRNO_SLOTS * _ERRNO.size
WRITTEN_BYTES = _WRITTEN.size + _HEAD.size
_ERRNOS_AT = _DIRECT_BYTES + _KIND_BYTES
_SLOTS_AT = _ERRNOS_AT + _ERRNOS_BYTES + WRITTEN_BYTES
TABLE_BYTES = _SLOTS_AT + SLOTS * _SLOT.size + 8
Data = bytes | memoryview
KEY_BYTES = _KEY.size + _KEY_ARGS.size
COUNT_BYTES = _COUNT.size
TEXT_KEY_BYTES = _TEXT_KEY.size
TEXT_BYTES = 240
TEXT_UNREAD = -1
ARGUMENT_BYTES = _ARGUMENTS.size
ARGUMENT_SPEC, ARGUMENT_NONE = 0x8000, 7
MOST_COMBINATIONS = 64
SLOT_BYTES = _SLOT.size
OVERFLOW_KEY_BYTES = _OVERFLOW_KEY.size
MAP_BYTES = {
    "threads": (4, THREAD_BYTES),
    "pool": (4, TABLE_BYTES),
    "pool_state": (4, POOL_STATE_BYTES),
    "spares": (0, _SPARE.size),
    "overflow": (OVERFLOW_KEY_BYTES, SLOT_BYTES),
    "blocked": (KEY_BYTES, COUNT_BYTES),
    "texts": (TEXT_KEY_BYTES, COUNT_BYTES),
    "enrolled": (4, _ENROLLED.size),
}
"""By map: the bytes of a key and of a value, as they are read and written here."""


class Head(NamedTuple):
    """struct head and struct written: whose table it is, and why it was written.

    Instants: CLOCK_MONOTONIC ns. What a live thread has not yet is 0: end, end_ns, comm.
    """

    kind: int
    end: int
    end_ns: int
    comm: bytes
    table: int
    slots: int
    flags: int
    call_nr: int
    call_abi: int
    sigsys: int
    call_ns: int
    returned: int
    image: int
    pid: int
    tid: int
    ppid: int
    process_ns: int
    parent_ns: int
    thread_ns: int
    image_ns: int
    exit_code: int
    further: tuple[int, ...]
    """Elements of the pool with its slots beyond the first ``SLOTS``; 0: none."""
    errnos: int
    """1 if there are any."""


class Slot(NamedTuple):
    """struct slot: one syscall of one thread and image."""

    nr: int
    abi: int
    errors: int
    blocked: int
    total_ns: int
    min_ns: int
    max_ns: int
    histogram: tuple[int, ...]


class Errno(NamedTuple):
    """struct errno_slot."""

    nr: int
    abi: int
    errno: int
    blocked: bool
    count: int  # type: ignore[assignment] # the C structure's name, not tuple.count


class Table(NamedTuple):
    """One thread's table, as it was written at its end or in a snapshot."""

    head: Head
    errnos: tuple[Errno, ...]
    slots: tuple[Slot, ...]


class Start(NamedTuple):
    """struct start_record: a process (image 0, pid == tid) or a thread begins."""

    kind: int
    image: int
    pid: int
    tid: int
    ppid: int
    reserved: int
    process_ns: int
    parent_ns: int
    thread_ns: int


class Exec(NamedTuple):
    """struct exec_record: an image begins."""

    image: int
    pid: int
    process_ns: int
    at_ns: int
    whole_bytes: int
    filename: bytes
    argv: bytes


class File(NamedTuple):
    """struct file_record: an executable file mapping, or the program of an image."""

    kind: int
    image: int
    pid: int
    device: int
    process_ns: int
    start: int
    length: int
    file_offset: int
    inode: int
    name: bytes
    """The last part of the path, or ``memfd:…``."""
    path: bytes | None
    """From the root of the mounts that the process saw; None if the walk did not come there."""


class Arguments(NamedTuple):
    """struct argument_record: a combination of arguments that a call was made with."""

    spec: int
    """Which arguments they are; 0: there are more than ``MOST_COMBINATIONS``."""
    process_ns: int
    pid: int
    image: int
    nr: int
    abi: int
    values: tuple[int, ...]
    """The registers, as many as ``spec`` names."""


class Text(NamedTuple):
    """struct text_key with its value: what the paths of some blocked calls of a row said."""

    row: tuple[int, int]
    """first_ns and tid of the row."""
    texts: tuple[bytes | None, ...]
    """The path arguments in their order; None where one could not be read. A text of
    ``TEXT_BYTES`` - 1 bytes may be the beginning only."""
    count: int  # type: ignore[assignment] # the C structure's name, not tuple.count
    first_ns: int
    last_ns: int


class BlockedKey(NamedTuple):
    """struct blocked_key: what makes two blocked calls the same."""

    process_ns: int
    thread_ns: int
    pid: int
    tid: int
    image: int
    nr: int
    abi: int
    how: int
    sigsys: int
    ret: int
    ip: int
    sp: int
    args: tuple[int, ...]


class Blocked(NamedTuple):
    """struct blocked_record: the first of some blocked calls that are the same."""

    at_ns: int
    key_bytes: bytes
    key: BlockedKey
    code_start: int
    code_end: int
    frames: bytes
    """Array of struct bpf_stack_build_id, innermost first."""
    registers: bytes
    stack: bytes


class OverflowKey(NamedTuple):
    """struct overflow_key."""

    process_ns: int
    thread_ns: int
    pid: int
    tid: int
    image: int
    nr: int
    abi: int
    errno_blocked: int
    reserved: int


def kind_of(data: Data) -> int:
    """Return which record ``data`` is."""
    kind: int = struct.unpack_from("=I", data)[0]
    return kind


def ring_room(data: bytes) -> int:
    """Return the bytes that a record takes in the ring buffer, with its header."""
    return (len(data) + _RING_HEADER + 7) // 8 * 8


def table(data: Data) -> Table:
    """Read what tells of the end of a thread or of its image.

    What lay in further elements came before it.
    """
    kind = kind_of(data)
    if kind == RECORD_BARE:
        return Table(_written(data, 0), (), ())
    if kind == RECORD_PLAIN:
        return Table(_written(data, 0), (), _slots(data, WRITTEN_BYTES))
    head = _written(data, _KIND_BYTES + _ERRNOS_BYTES)
    return Table(head, _errnos(data, _KIND_BYTES), _slots(data, _SLOTS_AT - _DIRECT_BYTES))


def further(data: Data) -> tuple[Head, tuple[Slot, ...]]:
    """Read RECORD_FURTHER: some of a thread's slots beyond the first ones."""
    return _written(data, 0), _slots(data, WRITTEN_BYTES)


def threads(memory: memoryview) -> Iterator[Head]:
    """Yield the heads of the threads that are followed, from the memory of ``threads``."""
    owners = memory.cast("Q")[:: THREAD_BYTES // _OWNER.size].tolist()
    for index, owner in enumerate(owners):
        if owner:
            yield _head(memory, index * THREAD_BYTES + _HEAD_AT, (0, 0, 0, b""))


def live_table(head: Head, element: Callable[[int], memoryview]) -> Table:
    """Read the table of a live thread; ``element`` returns an element of the pool."""
    if head.table == NO_TABLE:
        return Table(head, (), ())
    elements = [head.table, *(index for index in head.further if index)]
    slots = [
        slot(element(index), _SLOTS_AT + i * _SLOT.size)
        for number, index in enumerate(elements)
        for i in range(min(head.slots - number * SLOTS, SLOTS))
    ]
    return Table(head, _errnos(element(head.table), _ERRNOS_AT), tuple(slots))


def _slots(data: Data, start: int) -> tuple[Slot, ...]:
    return tuple(slot(data, at) for at in range(start, len(data), _SLOT.size))


def _written(data: Data, at: int) -> Head:
    return _head(data, at + _WRITTEN.size, _WRITTEN.unpack_from(data, at))


def _head(data: Data, at: int, written: tuple[int, int, int, bytes]) -> Head:
    fields = _HEAD.unpack_from(data, at)
    return Head._make((*written, *fields[:-5], fields[-5:-1], fields[-1]))


def _errnos(data: Data, start: int) -> tuple[Errno, ...]:
    return tuple(
        Errno(nr, abi, errno & ~ERRNO_BLOCKED, bool(errno & ERRNO_BLOCKED), count)
        for nr, abi, errno, count in (
            _ERRNO.unpack_from(data, start + i * _ERRNO.size) for i in range(ERRNO_SLOTS)
        )
        if count
    )


def slot(data: Data, offset: int = 0) -> Slot:
    """Read one slot."""
    values = _SLOT.unpack_from(data, offset)
    nr, abi, errors, blocked, total_ns, min_ns, max_ns, *histogram = values
    return Slot(nr, abi, errors, blocked, total_ns, min_ns, max_ns, tuple(histogram))


def start(data: bytes) -> Start:
    """Read the record of a beginning."""
    return Start(*_START.unpack_from(data))


def exec_(data: bytes) -> Exec:
    """Read the record of an execve that succeeded."""
    _kind, image, pid, _, process_ns, at_ns, got, whole, filename = _EXEC.unpack_from(data)
    argv = data[_EXEC.size : _EXEC.size + got]
    return Exec(image, pid, process_ns, at_ns, whole, _string(filename), argv)


def file(data: bytes) -> File:
    """Read the record of an executed file."""
    *numbers, path_bytes, whole = _FILE.unpack_from(data)
    parts = data[_FILE.size : _FILE.size + path_bytes].split(b"\0")[:-1]
    path = b"/" + b"/".join(reversed(parts)) if whole else None
    return File._make((*numbers, parts[0] if parts else b"", path))


def arguments(data: bytes) -> Arguments:
    """Read the record of a combination of arguments."""
    _kind, spec, process_ns, pid, image, nr, abi, *values = _ARGUMENTS.unpack_from(data)
    held = tuple(values[: len(noted(spec))])
    return Arguments(spec, process_ns, pid, image, nr, abi, held)


def noted(spec: int) -> tuple[int, ...]:
    """Return which arguments a spec names."""
    places = (spec >> (3 * which) & ARGUMENT_NONE for which in range(3)) if spec else ()
    return tuple(place for place in places if place != ARGUMENT_NONE)


def spec(places: tuple[int, ...]) -> int:
    """Return the spec that names up to three arguments."""
    filled = (*places, *[ARGUMENT_NONE] * (3 - len(places)))
    return ARGUMENT_SPEC | filled[0] | filled[1] << 3 | filled[2] << 6


def text(key: bytes, value: bytes) -> Text:
    """Read what the paths of blocked calls said, and how often."""
    row_ns, tid, first_bytes, second_bytes, *held = _TEXT_KEY.unpack(key)
    sizes = [size for size in (first_bytes, second_bytes) if size]
    texts = (None if n == TEXT_UNREAD else t[: n - 1] for n, t in zip(sizes, held, strict=False))
    return Text((row_ns, tid), tuple(texts), *_COUNT.unpack(value))


def blocked_key(data: bytes, offset: int = 0) -> BlockedKey:
    """Read the key of a blocked call."""
    (process_ns, thread_ns, *small, ret, ip, sp) = _KEY.unpack_from(data, offset)
    pid, tid, image, nr, abi, how, sigsys, _reserved = small
    args = _KEY_ARGS.unpack_from(data, offset + _KEY.size)
    return BlockedKey(
        process_ns, thread_ns, pid, tid, image, nr, abi, how, sigsys, ret, ip, sp, args
    )


def blocked_count(data: bytes) -> tuple[int, int, int]:
    """Read how often a blocked call came, and when first and last."""
    count, first_ns, last_ns = _COUNT.unpack_from(data)
    return count, first_ns, last_ns


def blocked(data: bytes, register_bytes: int) -> Blocked:
    """Read the record of a blocked call; ``register_bytes`` is the size of user_regs."""
    _kind, stack_bytes, at_ns = _BLOCKED.unpack_from(data)
    at = _BLOCKED.size
    key = blocked_key(data, at)
    key_bytes = bytes(data[at : at + KEY_BYTES])
    at += KEY_BYTES
    code_start, code_end, frames_bytes = _BLOCKED_TAIL.unpack_from(data, at)
    at += _BLOCKED_TAIL.size
    frames = bytes(data[at : at + max(frames_bytes, 0)])
    at += _FRAMES_BYTES
    registers = bytes(data[at : at + register_bytes])
    at += register_bytes
    stack = bytes(data[at : at + stack_bytes])
    return Blocked(at_ns, key_bytes, key, code_start, code_end, frames, registers, stack)


def overflow_key(data: bytes) -> OverflowKey:
    """Read a key of the map that takes what a thread's own table cannot."""
    return OverflowKey(*_OVERFLOW_KEY.unpack_from(data))


def armed() -> bytes:
    """Return the value that enrols the launcher: nothing is counted until its execve."""
    return _ENROLLED.pack(1, 0)


def no_table() -> bytes:
    """Return the element of the pool that has no room for anything."""
    full = _ERRNO.pack(0, 0, 0, 2**64 - 1) * ERRNO_SLOTS
    return (bytes(_ERRNOS_AT) + full).ljust(TABLE_BYTES, b"\0")


def pool_state(data: Data) -> tuple[int, int, int]:
    """Read struct pool_state: elements taken, all that there are, and how few wake sbtrace."""
    taken, whole, low = _POOL_STATE.unpack_from(data)
    return taken, whole, low


def spare(first: int, count: int) -> bytes:
    """Return ``count`` elements of the pool, from ``first`` on, as the program takes them."""
    return _SPARE.pack(first, count)


def _string(data: bytes) -> bytes:
    return data.split(b"\0", 1)[0]
