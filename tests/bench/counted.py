"""How many calls of getppid each tool says it saw, read from what it wrote."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tracer import syscalls

if TYPE_CHECKING:
    from pathlib import Path

NAME = "getppid"
COUNT = "tracepoint:raw_syscalls:sys_enter /pid == cpid/ { @[args->id] = count(); }"
"""bpftrace's one-liner. It cannot follow children; a script that does costs more."""
LATENCY = (
    "tracepoint:raw_syscalls:sys_enter /pid == cpid/ { @start[tid] = nsecs; }"
    " tracepoint:raw_syscalls:sys_exit /@start[tid]/ {"
    " @[args->id] = count(); @ns[args->id] = sum(nsecs - @start[tid]);"
    " delete(@start[tid]); }"
)


def by_sbtrace(folder: Path) -> int:
    record = json.loads((folder / "sbtrace.out").read_text())
    return sum(row["calls"] for row in record["syscalls"] if row["name"] == NAME)


def by_bpftrace(folder: Path) -> int:
    number = str(syscalls.number(syscalls.native_abi(), NAME))
    for line in (folder / "bpftrace.out").read_text().splitlines():
        found = json.loads(line) if line.startswith("{") else {}
        if found.get("type") == "map" and "@" in found["data"]:
            return int(found["data"]["@"].get(number, 0))
    return 0


def by_syscount(folder: Path) -> int:
    return _rows(folder / "syscount.out", rf"^{NAME}\s+(\d+)")


def by_perf(folder: Path) -> int:
    """Sum over its tables, one for each thread."""
    return _rows(folder / "perf.out", rf"^\s+{NAME}\s+(\d+)")


def by_strace(folder: Path) -> int:
    return _rows(folder / "strace.out", rf"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*{NAME}$")


def _rows(file: Path, pattern: str) -> int:
    text = file.read_text(errors="replace")
    return sum(int(found) for found in re.findall(pattern, text, re.MULTILINE))
