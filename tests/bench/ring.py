"""What it costs to read a record of a ring buffer: in bulk where it lies, and by libbpf's callback.

``python -m tests.bench.ring``, as root. Both read what the same program of the kernel writes, by
turns, so that what the machine does meanwhile is the same to both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

from tests.kernel.kernel_events import loaded
from tracer import syscalls
from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.ring import MappedRing

PAGES, BURST = 1024, 128
BURSTS = 150
"""At once in the ring, which has room for them."""
READERS: dict[str, type[MappedRing | libbpf.Ring]] = {
    "mapped, in bulk": MappedRing,
    "libbpf's callback": libbpf.Ring,
}


def main() -> int:
    """Print the time a record for both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    call = syscalls.number(syscalls.native_abi(), "getppid") or 0
    program = loaded("bursts.c", PAGES=PAGES, BURST=BURST, PID=os.getpid(), CALL=call)
    costs: dict[str, list[float]] = {name: [] for name in READERS}
    taken: list[bytes] = []
    rings = {name: make(program["ring"].map_fd, taken.append) for name, make in READERS.items()}  # type: ignore[arg-type] # it returns None, which is false
    for _ in range(rounds):
        for name, ring in rings.items():
            for _burst in range(BURSTS):
                os.getppid()
            taken.clear()
            begun = time.thread_time_ns()
            ring.consume()
            costs[name].append((time.thread_time_ns() - begun) / len(taken))
    for name, each in costs.items():
        print(f"{name:20} {statistics.median(each):6.0f} ns a record ({len(taken):,} at once)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
