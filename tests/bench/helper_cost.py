"""What the pieces of a probe cost: a helper call, a map look-up, the clock.

``python -m tests.bench.helper_cost --rounds 9`` attaches to sys_enter and sys_exit a program
that does one thing only, and prints the ns that it adds to a call for each side. It says what
tuning bpf/ can gain. Needs root.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import peers
from tests.bench.call_cost import BATCHES, CALLS, observed
from tests.bench.measure import built
from tracer.collectors.kernel.program import compile as compiler
from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.program.variant import variant

_SOURCE = """
struct value { u64 count; char pad[30000]; };
BPF_TASK_STORAGE(stored, struct value);
BPF_ARRAY(cells, u64, 256);
int on_event(struct bpf_raw_tracepoint_args *ctx) { %s return 0; }
"""
PIECES = {
    "nothing": "",
    "current task": "if (!bpf_get_current_task_btf()) return 1;",
    "clock": "if (bpf_ktime_get_ns() == 0) return 1;",
    "task storage": "struct value *v = stored.task_storage_get(bpf_get_current_task_btf(), 0, 0);"
    " if (v) v->count++;",
    "array": "u32 at = (u32)(ctx->args[0] >> 13) & 255; u64 *v = cells.lookup(&at);"
    " if (v) *v = ctx->args[1];",
}


def loaded(body: str) -> tuple[int, Any]:
    """Compile and load one piece; return its descriptor and what keeps it."""
    from bcc import BPF

    options = compiler.flags(variant(), {})
    with compiler.kernel_source(compiler.bpf_dir()):
        module = BPF(text=(_SOURCE % body).encode(), cflags=options)
    return module.load_func(b"on_event", BPF.RAW_TRACEPOINT).fd, module


def main() -> None:
    """Print ns a call and a side, over a program that does nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    programs = {name: loaded(body) for name, body in PIECES.items()}
    loop = built("call_loop")
    took: dict[str, list[float]] = {name: [] for name in PIECES}
    with tempfile.TemporaryDirectory(prefix="sbtrace-bench-") as folder:
        for _ in range(rounds):
            for name, (fd, _module) in programs.items():
                links = [libbpf.attach_raw_tracepoint(at, fd) for at in ("sys_enter", "sys_exit")]
                took[name].append(observed(peers.NATIVE, loop, Path(folder), BATCHES, CALLS))
                for link in links:
                    os.close(link)
    floor = statistics.median(took["nothing"])
    for name, values in took.items():
        print(f"{name:14} {(statistics.median(values) - floor) / 2:6.1f} ns a side")


if __name__ == "__main__":
    main()
