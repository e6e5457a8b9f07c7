"""A blocked call in words: what, by whom, from where in the code, and what would allow it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from tracer.decode import call_text
from tracer.report.outcome import process_command
from tracer.report.units import UNKNOWN, count, duration, errno_text
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer.model import BlockedCall, Frame, Process, RunRecord

    RemedyOf = Callable[[BlockedCall], str | None]
    """Gives the line of the profile that would allow a call; None where none is known."""

KILLS = frozenset({"KILL_PROCESS", "KILL_THREAD"})
_RUNTIME = ("libc.so", "libc-", "ld-linux", "ld-musl", "libpthread", "ld-", "[vdso]", "linux-vdso")
_ACTIONS = {
    "KILL_PROCESS": "the process was killed",
    "KILL_THREAD": "the thread was killed",
    "TRAP": "the thread got SIGSYS",
    "LOG": "let through, and logged",
    "unknown": "blocked, by which action is unknown",
}


def blocked_and_logged(record: RunRecord) -> tuple[list[BlockedCall], list[BlockedCall]]:
    """The calls that were blocked and those that were only logged, in order of time."""
    calls = sorted(folded(record.blocked_calls), key=lambda call: call.at_ns)
    logged = [call for call in calls if call.action == "LOG"]
    return [call for call in calls if call.action != "LOG"], logged


def folded(calls: Iterable[BlockedCall]) -> list[BlockedCall]:
    """Calls that look the same to a person as one, with their counts added up.

    The records tell calls apart by all six argument registers; those that a call does not
    take hold whatever was in them before.
    """
    found: dict[tuple[object, ...], BlockedCall] = {}
    for call in sorted(calls, key=lambda call: call.at_ns):
        who_and_how = (call.process_id, call.image, call.thread_id, call.action, call.errno)
        key = (*who_and_how, call.abi, call.nr, call_words(call), call.frames)
        first = found.get(key)
        if first is None:
            found[key] = call
        else:
            last_ns = max(first.last_ns, call.last_ns)
            found[key] = first._replace(count=first.count + call.count, last_ns=last_ns)
    return list(found.values())


def fatal(record: RunRecord) -> list[BlockedCall]:
    """The blocked calls that ended a process or a thread: why the run died."""
    stopped = blocked_and_logged(record)[0]
    kills = [call for call in stopped if call.action in KILLS]
    if kills or record.run.outcome != "blocked":
        return kills
    # A SIGSYS without a handler kills as well; the last one is what it died of.
    return [call for call in stopped if call.action in {"TRAP", "unknown"}][-1:]


def action_words(call: BlockedCall) -> str:
    """``failed with EACCES``, ``the process was killed``…"""
    if call.action == "ERRNO":
        return f"failed with {errno_text(call.errno)}"
    return _ACTIONS.get(call.action, call.action)


def action_label(call: BlockedCall) -> str:
    """``KILL_PROCESS``, ``ERRNO EACCES``."""
    return f"ERRNO {errno_text(call.errno)}" if call.action == "ERRNO" else call.action


def call_words(call: BlockedCall) -> str:
    """The call as strace would write it."""
    return printable(call_text(call.abi, call.name, call.args, call.paths))


def owner(record: RunRecord, call: BlockedCall) -> Process | None:
    """The image that made the call."""
    for process in record.processes:
        if (process.process_id, process.image) == (call.process_id, call.image):
            return process
    return None


def who(record: RunRecord, call: BlockedCall) -> str:
    """``./a.out x (pid 12)``, with the thread where it is not the first one."""
    process = owner(record, call)
    name = process_command(process) if process else "a process"
    thread = f", thread {call.tid}" if call.tid != call.pid else ""
    return f"{name} (pid {call.pid}{thread})"


def when(call: BlockedCall) -> str:
    """``at 1.23 ms``, ``from 1.23 ms to 4.56 ms``."""
    if call.count == 1:
        return f"{duration(call.at_ns)} after the start"
    return (
        f"{count(call.count)} times, {duration(call.at_ns)} to {duration(call.last_ns)}"
        " after the start"
    )


def frame_words(frame: Frame) -> str:
    """``spawn+0x12 in /usr/bin/demo``; with the file's own address, as addr2line takes it."""
    place = printable(frame.object) if frame.object else f"build id {frame.build_id or UNKNOWN}"
    if frame.function is not None:
        return f"{printable(frame.function)}+{frame.function_offset or 0:#x} in {place}"
    if frame.offset is not None:
        return f"{place}+{frame.offset:#x}"
    return f"{frame.address:#x}"


def place_words(record: RunRecord, call: BlockedCall) -> str:
    """``spawn+0x12 in demo``: the program's own frame or else the innermost, in few words."""
    if not call.frames:
        return f"{call.instruction_pointer:#x}"
    frame = own_frame(call.frames, owner(record, call)) or call.frames[0]
    name = PurePath(frame.object).name if frame.object else None
    return frame_words(frame._replace(object=name))


def own_frame(frames: Iterable[Frame], process: Process | None) -> Frame | None:
    """The innermost frame in the program's own code, else outside the C library; or None."""
    known = [frame for frame in frames if frame.object]
    program = PurePath(process.executable).name if process and process.executable else None
    for frame in known:
        if program is not None and PurePath(frame.object or "").name == program:
            return frame
    for frame in known:
        if not PurePath(frame.object or "").name.startswith(_RUNTIME):
            return frame
    return None
