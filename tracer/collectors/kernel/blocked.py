"""Blocked calls with their cause: who, what, why, and from where in the code."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable

from tracer import syscalls
from tracer.collectors.kernel import wire
from tracer.collectors.kernel.accounts import CallAccounts, abi_names
from tracer.model import BlockedCall, Frame
from tracer.symbols import (
    Mapping,
    Namer,
    RawStack,
    build_id_frames,
    device_number,
    thread_registers,
)

REGISTER_BYTES = {"x86_64": 168, "aarch64": 272}.get(os.uname().machine, 0)
"""sizeof(user_regs) of bpf/include/arch.h; 0 on a machine that there is no program for."""

Decide = Callable[[str, int, tuple[int, ...]], str]
"""What the run's own profile does with a call (abi, nr, args): ``ALLOW``, ``ERRNO``, …"""


class BlockedCalls:
    """The blocked calls of one run."""

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._abis = abi_names()
        self._first: dict[bytes, wire.Blocked] = {}
        # By process, then by image: each fork and each end of a process looks into it.
        self._maps: dict[tuple[int, int], defaultdict[int, list[Mapping]]] = {}
        # Processes with a blocked call: their mappings are needed after their end.
        self._wanted: set[tuple[int, int]] = set()
        self._namer = Namer()
        self._named: dict[bytes, tuple[Frame, ...]] = {}

    def mapped(self, file: wire.File) -> None:
        """An image maps a file to execute it, or is it: what later names its frames."""
        images = self._maps.setdefault((file.pid, file.process_ns), defaultdict(list))
        images[file.image].append(
            Mapping(
                start=file.start,
                end=file.start + file.length,
                file_offset=file.file_offset,
                path=None if file.path is None else os.fsdecode(file.path),
                name=os.fsdecode(file.name),
                inode=file.inode,
                device=device_number(file.device),
            )
        )

    def forked(self, start: wire.Start) -> None:
        """A child begins with the mappings of its parent."""
        if start.pid == start.tid and start.parent_ns:
            images = self._maps.get((start.ppid, start.parent_ns))
            if images:
                own = self._maps.setdefault((start.pid, start.process_ns), defaultdict(list))
                own[0] = list(images[max(images)])

    def add(self, record: wire.Blocked) -> None:
        """The first of some blocked calls that are the same."""
        self._first[record.key_bytes] = record
        self._wanted.add((record.key.pid, record.key.process_ns))

    def ended(self, pid: int, process_ns: int) -> None:
        """Forget the mappings of a process that is gone, if nothing of it needs naming."""
        if (pid, process_ns) not in self._wanted:
            self._maps.pop((pid, process_ns), None)

    def rows(
        self,
        counts: Iterable[tuple[bytes, tuple[int, int, int]]],
        texts: Iterable[wire.Text],
        accounts: CallAccounts,
    ) -> tuple[BlockedCall, ...]:
        """Return the blocked calls so far, folded, first ones first.

        One whose record the ring buffer had no room for has all but its frames. A row of the
        kernel's is one here for each text that its paths had.
        """
        said: defaultdict[tuple[int, int], list[wire.Text]] = defaultdict(list)
        for text in texts:
            said[text.row].append(text)
        rows = []
        for key_bytes, count in counts:
            key = wire.blocked_key(key_bytes)
            if self._counts(key):
                row = self._row(key, count, self._first.get(key_bytes), accounts)
                rows += by_path(row, said.get((count[1], key.tid), ()), accounts.origin_ns or 0)
        return tuple(sorted(rows, key=lambda row: row.at_ns))

    def _counts(self, key: wire.BlockedKey) -> bool:
        """Whether it is blocked, or a call that the profile really logs with these arguments."""
        if key.how != wire.BLOCKED_LOG:
            return True
        return self._decide(self._abis[key.abi], key.nr, key.args) == "LOG"

    def _row(
        self,
        key: wire.BlockedKey,
        counts: tuple[int, int, int],
        record: wire.Blocked | None,
        accounts: CallAccounts,
    ) -> BlockedCall:
        count, first_ns, last_ns = counts
        process_id, thread_id = accounts.identity(key)
        abi = self._abis[key.abi]
        action, errno = self._action(abi, key)
        origin = accounts.origin_ns or 0
        return BlockedCall(
            process_id=process_id,
            pid=key.pid,
            image=key.image,
            thread_id=thread_id,
            tid=key.tid,
            at_ns=first_ns - origin,
            last_ns=last_ns - origin,
            abi=abi,
            nr=key.nr,
            name=syscalls.name(abi, key.nr),
            action=action,
            errno=errno,
            args=key.args,
            instruction_pointer=key.ip,
            frames=self._frames(record, accounts) if record is not None else (),
            count=count,
        )

    def _action(self, abi: str, key: wire.BlockedKey) -> tuple[str, int | None]:
        """What was seen must fit what the profile says; else another filter or a tracer did it."""
        if key.how == wire.BLOCKED_LOG:
            return "LOG", None
        if key.how == wire.BLOCKED_EXIT:
            return "KILL_THREAD", None
        said = self._decide(abi, key.nr, key.args)
        if key.how == wire.BLOCKED_SIGSYS:
            return (said if said in ("TRAP", "KILL_PROCESS", "KILL_THREAD") else "unknown"), None
        if said == "ERRNO" and -4095 <= key.ret <= 0:
            return "ERRNO", -key.ret
        return "unknown", None

    def _frames(self, record: wire.Blocked, accounts: CallAccounts) -> tuple[Frame, ...]:
        known = self._named.get(record.key_bytes)
        if known is None:
            known = self._named[record.key_bytes] = self._name(record, accounts)
        return known

    def _name(self, record: wire.Blocked, accounts: CallAccounts) -> tuple[Frame, ...]:
        key = record.key
        abi, registers = thread_registers(os.uname().machine, record.registers)
        images: dict[int, list[Mapping]] = dict(self._maps.get((key.pid, key.process_ns), {}))
        mappings = images.get(key.image, [])
        program = next((mapping for mapping in mappings if not mapping.end), None)
        return self._namer.frames(
            RawStack(
                abi=abi,
                registers=registers,
                stack_address=key.sp,
                stack=record.stack,
                build_id_frames=build_id_frames(record.frames),
                mappings=tuple(mapping for mapping in mappings if mapping.end),
                executable=(program and program.path) or accounts.executable_of(key),
                code_start=record.code_start,
                code_end=record.code_end,
                pid=key.pid,
                executable_inode=program.inode if program else None,
                executable_device=program.device if program else None,
            )
        )


def by_path(row: BlockedCall, said: Iterable[wire.Text], origin_ns: int) -> list[BlockedCall]:
    """The row once for each text of its paths, and for the calls of which none was kept."""
    rows = [
        row._replace(
            at_ns=text.first_ns - origin_ns,
            last_ns=text.last_ns - origin_ns,
            paths=tuple(map(_decoded, text.texts)),
            count=text.count,
        )
        for text in said
    ]
    left = row.count - sum(part.count for part in rows)
    return [*rows, row._replace(count=left)] if left > 0 else rows


def _decoded(text: bytes | None) -> str | None:
    if text is None:
        return None
    # What was cut off is shown as cut off: it would name another file.
    cut = len(text) == wire.TEXT_BYTES - 1
    return os.fsdecode(text) + ("…" if cut else "")
