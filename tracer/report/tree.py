"""The processes of a run as a tree, each image with its calls, time and end."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tracer.report import totals, units
from tracer.report.form import PLAIN
from tracer.report.outcome import process_command
from tracer.report.table import Column
from tracer.report.table import render as table
from tracer.words.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.model import Process, RunRecord
    from tracer.report.form import Page

_COLUMNS = (
    Column("pid", right=True),
    Column("calls", right=True),
    Column("errors", right=True),
    Column("blocked", right=True),
    Column("lived", right=True),
    Column("end", right=True),
    Column("process", cut=True),
)


class Tree(NamedTuple):
    """The processes of a run, each below its parent."""

    record: RunRecord

    def data(self) -> Mapping[str, object]:
        """``tree`` is null where eBPF did not run."""
        return {"tree": _objects(self.record) if self.record.processes else None}

    def text(self, page: Page = PLAIN) -> str:
        """One line an image; children are indented under their parent, ``=>`` marks an execve."""
        run = self.record.run
        if not self.record.processes:
            why = run.trace_missing or "eBPF was not asked for"
            return f"no processes are known of run {run.run_id}: {why}\n"
        return table(_COLUMNS, _rows(self.record), page.width)


def _rows(record: RunRecord) -> list[tuple[str, ...]]:
    sums = totals.group(record.syscalls, lambda stat: (stat.process_id, stat.image))
    rows: list[tuple[str, ...]] = []
    for lead, process in _lines(record):
        total = sums.get((process.process_id, process.image)) or totals.add_up(())
        rows.append(
            (
                str(process.pid),
                units.count(total.calls),
                units.count(total.errors),
                units.count(total.blocked),
                units.duration(_lived(process)),
                _end(process),
                lead + process_command(process),
            )
        )
    return rows


def _objects(record: RunRecord) -> list[dict[str, object]]:
    """The tree as nested data: each process with its images and its children."""
    sums = totals.group(record.syscalls, lambda stat: (stat.process_id, stat.image))
    images = _images(record)
    nodes: dict[int, dict[str, object]] = {}
    below: defaultdict[int | None, list[dict[str, object]]] = defaultdict(list)
    for process_id, parts in images.items():
        children: list[dict[str, object]] = below[process_id]
        nodes[process_id] = {
            "process_id": process_id,
            "pid": parts[0].pid,
            "exit_code": parts[-1].exit_code,
            "term_signal": parts[-1].term_signal,
            "images": [
                {
                    "image": part.image,
                    "executable": part.executable,
                    "argv": None if part.argv is None else list(part.argv),
                    "comm": part.comm,
                    "start_ns": part.start_ns,
                    "end_ns": part.end_ns,
                    "calls": total.calls,
                    "errors": total.errors,
                    "blocked": total.blocked,
                    "total_ns": total.total_ns,
                }
                for part in parts
                for total in [sums.get((process_id, part.image)) or totals.add_up(())]
            ],
            "children": children,
        }
    for process_id, node in nodes.items():
        below[_parent(images, process_id)].append(node)
    return below[None]


def _images(record: RunRecord) -> dict[int, list[Process]]:
    """The images of each process in their order; processes in order of their start."""
    images: defaultdict[int, list[Process]] = defaultdict(list)
    for process in sorted(record.processes, key=lambda item: (item.process_id, item.image)):
        images[process.process_id].append(process)
    return dict(images)


def _parent(images: dict[int, list[Process]], process_id: int) -> int | None:
    """The parent's key; None for the command, and where the parent was not followed."""
    parent = images[process_id][0].parent_id
    return parent if parent in images and parent != process_id else None


def _lines(record: RunRecord) -> list[tuple[str, Process]]:
    """Each image with what is drawn before it, top down. No recursion: chains may be long."""
    images = _images(record)
    below: defaultdict[int | None, list[int]] = defaultdict(list)
    for process_id in images:
        below[_parent(images, process_id)].append(process_id)
    lines: list[tuple[str, Process]] = []
    waiting = [(process_id, "", "") for process_id in reversed(below[None])]
    while waiting:
        process_id, lead, deeper = waiting.pop()
        first, *later = images[process_id]
        children = below[process_id]
        lines.append((lead, first))
        lines += [(f"{deeper}{'| ' if children else '  '}=> ", image) for image in later]
        for child in reversed(children):
            last = child == children[-1]
            mark, more = ("`-", "  ") if last else ("|-", "| ")
            waiting.append((child, f"{deeper}{mark} ", f"{deeper}{more} "))
    return lines


def _lived(process: Process) -> int | None:
    return None if process.end_ns is None else process.end_ns - process.start_ns


def _end(process: Process) -> str:
    """``exit 0``, ``SIGKILL``; nothing for an image that an execve ended."""
    if process.term_signal is not None:
        return signal_name(process.term_signal)
    return "" if process.exit_code is None else f"exit {process.exit_code}"
