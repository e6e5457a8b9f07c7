"""One run as JSON is one text, whatever order its rows come in."""

from __future__ import annotations

import pytest

from tests.unit.report.records import INEXACT, KILLED, RECORD
from tracer.model import Loss, RunRecord
from tracer.report.summary import Summary

LISTS = ("processes", "syscalls", "syscall_errors", "blocked_calls", "losses")


@pytest.mark.parametrize("record", [RECORD, KILLED, INEXACT])
def test_the_order_of_the_rows_does_not_matter(record: RunRecord) -> None:
    losses = (Loss("kernel", "lost_events", 2), Loss("procfs", "late", 3, 1, 2), *record.losses)
    # Two ABIs with one name and one count each, and two calls in one nanosecond.
    alike = tuple(row._replace(abi="i386") for row in record.syscalls)
    errors = tuple(row._replace(abi="i386") for row in record.syscall_errors)
    calls = tuple(call._replace(args=(9, *call.args[1:])) for call in record.blocked_calls)
    given = record._replace(
        losses=losses,
        syscalls=record.syscalls + alike,
        syscall_errors=record.syscall_errors + errors,
        blocked_calls=record.blocked_calls + calls,
    )
    turned = given._replace(**{name: tuple(reversed(getattr(given, name))) for name in LISTS})
    assert Summary.of(turned).data() == Summary.of(given).data()
