"""Tables that come in parts: the slots of further elements are written before the table itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.collectors.kernel import wire

if TYPE_CHECKING:
    from collections.abc import Hashable

_KEPT = 1024
"""Parts that wait for their table at most: one that the ring buffer had no room for never comes."""


class TableParts:
    """The parts whose table has not come yet."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, tuple[wire.Slot, ...]] = {}

    def add(self, data: bytes) -> None:
        """Take one RECORD_FURTHER."""
        head, slots = wire.further(data)
        key = _image(head)
        self._waiting[key] = self._waiting.get(key, ()) + slots
        if len(self._waiting) > _KEPT:
            del self._waiting[next(iter(self._waiting))]

    def joined(self, table: wire.Table) -> wire.Table:
        """Return the table with the slots that came before it."""
        slots = self._waiting.pop(_image(table.head), ()) if self._waiting else ()
        return table._replace(slots=table.slots + slots) if slots else table


def _image(head: wire.Head) -> Hashable:
    return head.pid, head.tid, head.process_ns, head.thread_ns, head.image
