"""Tables that come in parts."""

from __future__ import annotations

from tests.unit.collectors.kernel.test_accounts import head, slot
from tracer.collectors.kernel import table_parts, wire


def part(at: wire.Head, *slots: wire.Slot) -> bytes:
    """A RECORD_FURTHER with nothing but what tells whose it is."""
    fields = (0,) * 8 + (at.image, at.pid, at.tid, 0, at.process_ns, 0, at.thread_ns)
    data = wire._WRITTEN.pack(wire.RECORD_FURTHER, 0, 0, b"") + wire._HEAD.pack(*fields, *(0,) * 7)
    for one in slots:
        data += wire._SLOT.pack(*one[:-1], *one.histogram)
    return data


def test_the_parts_of_a_table_come_to_it_and_to_no_other() -> None:
    mine, other = head(7, 1), head(8, 2)
    parts = table_parts.TableParts()
    parts.add(part(mine, slot(1, calls=2), slot(2)))
    parts.add(part(mine, slot(3)))
    assert parts.joined(wire.Table(other, (), (slot(9),))).slots == (slot(9),)
    joined = parts.joined(wire.Table(mine, (), (slot(0),)))
    assert [one.nr for one in joined.slots] == [0, 1, 2, 3]
    assert parts.joined(wire.Table(mine, (), ())).slots == ()


def test_parts_whose_table_never_comes_are_forgotten_in_the_end() -> None:
    """The ring buffer had no room for it, and it is counted as lost."""
    parts = table_parts.TableParts()
    for pid in range(table_parts._KEPT + 1):
        parts.add(part(head(pid, 1), slot(1)))
    assert parts.joined(wire.Table(head(0, 1), (), ())).slots == ()
    assert len(parts.joined(wire.Table(head(1, 1), (), ())).slots) == 1
