"""What a loss takes away from: the counts, the samples, or neither. Pure.

Two questions that a run answers apart. Are its counts exact? Are its samples all there? A
sample that came late leaves every count as it is; a lost table leaves every sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer.model import Loss

SAMPLES = frozenset(
    {
        ("procfs", "late_sample"),
        ("store", "interrupted"),
        ("store", "torn_samples"),
        ("store", "samples_missing"),
    }
)
"""(collector, kind) of the losses that take away from the samples."""
NO_COUNTS = frozenset(
    {
        ("kernel", "lost_events"),
        ("kernel", "lost_stacks"),
        ("kernel", "lost_texts"),
        ("kernel", "lost_arguments"),
        ("kernel", "untimed_calls"),
        ("store", "torn_samples"),
        ("store", "samples_missing"),
    }
)
"""(collector, kind) of the losses that leave the counts whole, beside all of ``procfs``: its
figures are the baseline's, which eBPF's counts do not rest on."""


def takes_counts(loss: Loss) -> bool:
    """Whether this loss may make eBPF's counts too low. A kind that is not known here may."""
    return loss.collector != "procfs" and (loss.collector, loss.kind) not in NO_COUNTS


def counts_are_exact(losses: Iterable[Loss]) -> bool:
    """Whether all that eBPF counted is as the kernel did it."""
    return not any(map(takes_counts, losses))


def samples_are_complete(losses: Iterable[Loss]) -> bool:
    """Whether there is a sample of every instant that one was due at, or close to it."""
    return not any((loss.collector, loss.kind) in SAMPLES for loss in losses)
