"""Which kernels have what the BPF program asks for."""

from __future__ import annotations

import os
import re

from tracer.errors import KernelError

OLDEST = (5, 15)
"""The first with bpf_task_pt_regs. Whether a kernel will do is told by trying, since
distributions bring such things to older ones; its age only explains why one did not."""


def explained(error: KernelError) -> KernelError:
    """Return the error, with the kernel that would do where this one is older than that."""
    release = os.uname().release
    found = re.match(r"(\d+)\.(\d+)", release)
    if found is None or (int(found[1]), int(found[2])) >= OLDEST:
        return error
    wanted = ".".join(map(str, OLDEST))
    return KernelError(f"eBPF's figures need Linux {wanted} or later, this is {release}: {error}")
