"""The baseline: what /proc and the wait status tell of a target, with or without eBPF.

The only part of sbtrace that uses psutil. docs/counting.md says what each figure means.
"""

from __future__ import annotations

from tracer.collectors.procfs.collector import ProcfsCollector
from tracer.collectors.procfs.records import Baseline, BaselineFindings, UsedBefore
from tracer.collectors.procfs.tree import ProcessTree

__all__ = ["Baseline", "BaselineFindings", "ProcessTree", "ProcfsCollector", "UsedBefore"]
