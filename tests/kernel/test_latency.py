"""Latencies: of the calls that returned, and each in its own bucket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.symbols.support import compile_c
from tracer.model import HISTOGRAM_BUCKETS, HISTOGRAM_FIRST_SHIFT

if TYPE_CHECKING:
    from tests.support import Programs, Sbtrace

pytestmark = pytest.mark.kernel
POLL_NS = 50_000_000
N = 3


def bucket(ns: int) -> int:
    """As docs/counting.md says it."""
    return min(max(ns.bit_length() - HISTOGRAM_FIRST_SHIFT, 0), HISTOGRAM_BUCKETS - 1)


@pytest.mark.parametrize("case", ["thread_killed", "syscall_flood", "storm"])
def test_a_histogram_holds_the_calls_that_returned(
    sbtrace: Sbtrace, programs: Programs, case: str
) -> None:
    """Its sum is calls less unfinished; shortest and longest are in its first and last bucket."""
    sbtrace.run(programs[case])
    rows = sbtrace.sql("SELECT * FROM syscalls")
    assert rows
    for row in rows:
        counts = row["histogram"]
        assert sum(counts) == row["calls"] - row["unfinished"]
        assert (row["total_ns"] is None) == (row["min_ns"] is None) == (sum(counts) == 0)
        if row["total_ns"] is None:
            continue
        used = [number for number, count in enumerate(counts) if count]
        assert (used[0], used[-1]) == (bucket(row["min_ns"]), bucket(row["max_ns"]))
        assert row["min_ns"] * sum(counts) <= row["total_ns"] <= row["max_ns"] * sum(counts)


WAITS_US = (1, 20, 90, 400, 1_500, 6_000, 30_000, 120_000, 600_000, 1_100_000)


def test_a_call_that_was_made_once_is_in_the_bucket_of_its_time(sbtrace: Sbtrace) -> None:
    """Of a microsecond to a second: each halving by which the bucket is found is taken."""
    waits = " & ".join(f"sleep {us / 1e6:f}" for us in WAITS_US)
    sbtrace.run("sh", "-c", f"{waits} & wait")
    rows = sbtrace.sql("SELECT * FROM syscalls WHERE calls - unfinished = 1")
    for row in rows:
        wanted = [int(number == bucket(row["total_ns"])) for number in range(HISTOGRAM_BUCKETS)]
        assert row["histogram"] == wanted, row["name"]
    slept = sorted(row["total_ns"] for row in rows if row["name"] == "clock_nanosleep")
    assert all(ns >= us * 1000 for ns, us in zip(slept, WAITS_US, strict=True))


def test_a_wait_of_50_ms_takes_50_ms(sbtrace: Sbtrace, public_folder: Path) -> None:
    """Nothing but the wait is in it, and the calls around it are not charged with it."""
    source = Path(__file__).with_name("refused.c")
    program = compile_c(public_folder / "waits", "-pthread", source=source)
    sbtrace.run(program, "between", str(N))
    (row,) = sbtrace.sql("SELECT * FROM syscalls WHERE name = 'poll'")
    assert row["calls"] == N
    assert row["min_ns"] >= POLL_NS
    assert sum(row["histogram"][bucket(POLL_NS) :]) == N
    for name in ("getpgid", "getppid"):
        (row,) = sbtrace.sql(f"SELECT * FROM syscalls WHERE name = '{name}'")  # noqa: S608 - ours
        assert row["min_ns"] < POLL_NS
