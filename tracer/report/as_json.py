"""A run as one JSON object, for programs. Numbers in ns and bytes; null = not known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tracer.report import blocked, totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer.model import BlockedCall, Loss, Process, RunRecord
    from tracer.report.blocked import RemedyOf
    from tracer.report.totals import Total

Object = dict[str, object]

VERSION = 1
"""The version of what every ``--json`` gives: docs/json.md. Within a version a key may be added;
none is taken away, and none changes its meaning."""


def dumps(fields: Mapping[str, object]) -> str:
    r"""One JSON object with its ``json_version``, one line feed at its end, plain ASCII.

    A byte that is not UTF-8 is a lone surrogate, ``\udcNN`` (PEP 383), as in Python.
    """
    return json.dumps({"json_version": VERSION, **fields}, indent=2) + "\n"


def run_object(record: RunRecord, remedy: RemedyOf | None = None) -> Object:
    """The whole run but its samples and its threads' rows, which the database has.

    The keys are the fields of ``model.Run`` (without the profile's text) and ``syscalls``,
    ``syscall_errors``, ``blocked_calls``, ``processes`` and ``losses``. What eBPF alone
    tells is null if it did not run. Every list has an order of its own: a collector and the
    database may give the rows of a record in different ones.
    """
    run = record.run._asdict()
    del run["profile_source"]
    run["started_at"] = record.run.started_at.isoformat()
    counted = record.run.trace != "none"
    return {
        **run,
        "syscalls": syscall_objects(record) if counted else None,
        "syscall_errors": error_objects(record) if counted else None,
        "blocked_calls": blocked_objects(record.blocked_calls, remedy) if counted else None,
        "processes": process_objects(record.processes) if counted else None,
        "losses": [loss._asdict() for loss in sorted(record.losses, key=_loss_order)],
    }


def syscall_objects(record: RunRecord) -> list[Object]:
    """One object for each (abi, nr) of the run, most calls first."""
    sums = totals.by_syscall(record.syscalls)
    by_key = dict(sorted(sums.items(), key=lambda item: item[0]))
    ranked = totals.ordered(by_key, totals.Sort.CALLS, lambda key: key[2])
    return [
        {"name": name, "abi": abi, "nr": nr, **total_fields(total)}
        for (abi, nr, name), total in ranked
    ]


def error_objects(record: RunRecord) -> list[Object]:
    """One object for each errno of a syscall, in order of syscall, errno and ABI."""
    rows = totals.by_errno(record.syscall_errors)
    ranked = sorted(rows, key=lambda row: (row.name, row.errno, row.abi))
    return [row._asdict() for row in ranked]


def process_objects(processes: Sequence[Process]) -> list[Object]:
    """One object for each image of a process, in the order in which the processes began."""
    ranked = sorted(processes, key=lambda item: (item.process_id, item.image))
    return [item._asdict() for item in ranked]


def _loss_order(loss: Loss) -> tuple[str, str, int]:
    return loss.collector, loss.kind, loss.first_ns or 0


def total_fields(total: Total) -> Object:
    """The figures of a sum; times null if no call returned."""
    return {
        "calls": total.calls,
        "errors": total.errors,
        "blocked": total.blocked,
        "unfinished": total.unfinished,
        "total_ns": total.total_ns,
        "min_ns": total.min_ns,
        "max_ns": total.max_ns,
        "histogram": list(total.histogram),
    }


def blocked_objects(calls: Sequence[BlockedCall], remedy: RemedyOf | None = None) -> list[Object]:
    """One object for each distinct blocked call, the first ones first."""
    # The text of the row decides between calls that one thread made in the same nanosecond.
    ranked = sorted(calls, key=lambda call: (call.at_ns, call.thread_id, call.nr, repr(call)))
    return [_blocked(call, remedy) for call in ranked]


def _blocked(call: BlockedCall, remedy: RemedyOf | None) -> Object:
    """The record as it is, with the call decoded and what would allow it."""
    return {
        **call._asdict(),
        "frames": [frame._asdict() for frame in call.frames],
        "call": blocked.call_words(call),
        "remedy": remedy(call) if remedy else None,
    }
