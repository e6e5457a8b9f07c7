"""Which program it is: for which machine, from which kernel on, and with which of its parts."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Collection

RING_BYTES = 16 << 20
"""One half is for tables and starts alone, whatever is blocked meanwhile."""

RAW_TRACEPOINTS = (
    "signal_generate",
    "sched_process_fork",
    "sched_process_exec",
    "sched_process_exit",
    "sys_enter",
    "sys_exit",
)
TAILS = ("walk_path", "note_texts", "note_arguments")
"""Programs that others end in, in the order of bpf/records.h's TAIL_…"""
VSYSCALL, BRIEFLY = "emulate_vsyscall", "_briefly"
"""A raw tracepoint that a kernel may be built without. It has two programs: the one whose name
ends in ``BRIEFLY`` is for runs whose filter answers none of its calls with an errno."""
AGAIN = "_again"
"""Behind the name of a raw tracepoint: the second program of a rare event."""
RARE = ("signal_generate", "sched_process_fork", "sched_process_exec", "sched_process_exit")
"""Events whose program is attached twice where the kernel may skip the first: bpf/sbtrace.c."""
INNER = {"chunks": "pool"}
"""The maps of maps, and which map says what those within are like."""
MAKERS = tuple(
    Path(__file__).with_name(f"{name}.py") for name in ("artifact", "compile", "offsets", "variant")
)
"""Modules that decide what becomes of the sources."""

_TARGET_ARCH = {"x86_64": "x86", "aarch64": "arm64"}

OLDEST = (5, 15)
"""The first with bpf_task_pt_regs. Whether a kernel will do is told by trying, since
distributions bring such things to older ones; its age only explains why one did not."""


class Feature(StrEnum):
    """A part of the program that only some runs need: a header of bpf/ with its name."""

    LOGGING = "logging"
    """Records what SECCOMP_RET_LOG lets through."""


Features = frozenset[Feature]
SHIPPED: tuple[Features, ...] = (frozenset(), frozenset({Feature.LOGGING}))
"""The combinations that are compiled at set-up; another one is compiled when it is first needed."""


class Variant(NamedTuple):
    """What a compiled program depends on beside its sources; not on the kernel."""

    machine: str
    page_bytes: int
    features: Features

    @property
    def name(self) -> str:
        """A name for files."""
        return "-".join([self.machine, str(self.page_bytes), *sorted(self.features)])

    def definitions(self) -> list[str]:
        """Return the macros it is compiled with, as compiler options."""
        return [
            f"-D__TARGET_ARCH_{_TARGET_ARCH[self.machine]}",
            f"-DPAGE_SIZE={self.page_bytes}",
            f"-DRING_PAGES={RING_BYTES // self.page_bytes}",
            *(f"-D{feature.upper()}" for feature in sorted(self.features)),
        ]


def programs(machine: str) -> tuple[str, ...]:
    """Return the names of all that is compiled for raw tracepoints of a machine."""
    further = (VSYSCALL, VSYSCALL + BRIEFLY) if machine == "x86_64" else ()
    return (*RAW_TRACEPOINTS, *(name + AGAIN for name in RARE), *further)


def variant(features: Features = frozenset()) -> Variant:
    """Return that of this machine with these features. Raises KernelError where there is none."""
    machine = os.uname().machine
    if machine not in _TARGET_ARCH:
        raise KernelError(
            f"eBPF counting is written for {' and '.join(_TARGET_ARCH)}, not for {machine}: "
            "a run has the baseline (--trace none)"
        )
    return Variant(machine, os.sysconf("SC_PAGE_SIZE"), features)


def needed(logged: Collection[int]) -> Features:
    """Return the features of a run whose profile logs calls of these numbers."""
    return frozenset({Feature.LOGGING}) if logged else frozenset()


def explained(error: KernelError) -> KernelError:
    """Return the error; where this kernel is too old, with the version that is needed."""
    release = os.uname().release
    found = re.match(r"(\d+)\.(\d+)", release)
    if found is None or (int(found[1]), int(found[2])) >= OLDEST:
        return error
    wanted = ".".join(map(str, OLDEST))
    return KernelError(f"eBPF's figures need Linux {wanted} or later, this is {release}: {error}")
