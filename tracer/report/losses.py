"""Losses in words, and what they take away from which figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.completeness import takes_counts
from tracer.report.units import count

if TYPE_CHECKING:
    from tracer.model import Loss, RunRecord

_WORDS = {
    ("kernel", "lost_calls"): ("call was not counted", "calls were not counted"),
    ("kernel", "lost_tables"): ("thread's figures were lost", "threads' figures were lost"),
    ("kernel", "lost_events"): (
        "record of a start, exec or mapping was lost",
        "records of starts, execs and mappings were lost",
    ),
    ("kernel", "lost_details"): (
        "blocked call has no details",
        "blocked calls have no details",
    ),
    ("kernel", "lost_stacks"): (
        "row of blocked calls has no stack",
        "rows of blocked calls have no stack",
    ),
    ("kernel", "lost_texts"): (
        "blocked call has no paths, for want of room for another text",
        "blocked calls have no paths, for want of room for more texts",
    ),
    ("kernel", "lost_arguments"): (
        "combination of arguments was not recorded",
        "combinations of arguments were not recorded",
    ),
    ("kernel", "overflow_calls"): (
        "call was not counted, for want of room for its syscall",
        "calls were not counted, for want of room for their syscalls",
    ),
    ("kernel", "overflow_errnos"): (
        "error was counted without its errno",
        "errors were counted without their errno",
    ),
    ("kernel", "unfollowed_threads"): (
        "thread could not be followed",
        "threads could not be followed",
    ),
    ("kernel", "unfollowed_children"): (
        "new process or thread could not be followed",
        "new processes or threads could not be followed",
    ),
    ("kernel", "skipped_calls"): (
        "call may have been skipped by a tracer, made or blocked: that cannot be told",
        "calls may have been skipped by a tracer, made or blocked: that cannot be told",
    ),
    ("kernel", "unseen_vsyscalls"): (
        "call by the vsyscall page may have been blocked unseen",
        "calls by the vsyscall page may have been blocked unseen",
    ),
    ("kernel", "untimed_calls"): (
        "call was counted without its time, as the kernel skipped the program at its entry",
        "calls were counted without their time, as the kernel skipped the program at their entry",
    ),
    ("kernel", "untold_results"): (
        "call was counted without its result, as the kernel skipped the program at its exit",
        "calls were counted without their result, as the kernel skipped the program at their exit",
    ),
    ("kernel", "missed_runs"): (
        "event was missed, as the kernel skipped the program",
        "events were missed, as the kernel skipped the program",
    ),
    ("procfs", "late_sample"): ("sample of /proc came late", "samples of /proc came late"),
    ("procfs", "unaccounted_child"): (
        "child was reaped by the kernel, its reads and writes with it",
        "children were reaped by the kernel, their reads and writes with them",
    ),
    ("store", "interrupted"): (
        "part of the run was not recorded, its end: sbtrace died before",
        "parts of the run were not recorded, as sbtrace died",
    ),
    ("store", "torn_samples"): ("sample was torn", "samples were torn"),
    ("store", "samples_missing"): ("file of samples is missing", "files of samples are missing"),
    **{
        ("procfs", kind): (
            f"process's peak of memory was not told, {why}",
            f"processes' peaks of memory were not told, {why}",
        )
        for kind, why in {
            "untold_peak": "for that takes root",
            "untold_peak_contained": "as the kernel tells none in this container, or at all",
            "untold_peak_overrun": "as too many processes ended at once to hear of each",
            "untold_peak_unsaid": "as asking the kernel for it failed",
            "untold_peak_small": "as the kernel counts none of so few pages",
        }.items()
    },
    ("procfs", "unread_account"): (
        "process's last account could not be read",
        "processes' last accounts could not be read",
    ),
}


def words(loss: Loss) -> str:
    """``3 samples of /proc came late``; a kind without words of its own: ``3 x map full``."""
    known = _WORDS.get((loss.collector, loss.kind))
    if known is None:
        return f"{count(loss.count)} x {loss.kind.replace('_', ' ')} ({loss.collector})"
    return f"{count(loss.count)} {known[0] if loss.count == 1 else known[1]}"


def of_counts(record: RunRecord) -> list[str]:
    """In words, the losses that take away from eBPF's counts."""
    return [words(loss) for loss in record.losses if takes_counts(loss)]


def of_the_rest(record: RunRecord) -> list[str]:
    """In words, the losses that leave the counts as they are: samples, names, stacks."""
    return [words(loss) for loss in record.losses if not takes_counts(loss)]


def of_kernel(record: RunRecord) -> list[str]:
    """In words, all that eBPF missed."""
    return [words(loss) for loss in record.losses if loss.collector == "kernel"]
