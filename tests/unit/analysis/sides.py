"""Made-up sides of a comparison."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tracer.query.sides import FIGURES, CallKey, CallSums, Measured, Side

ABOUT = {
    "argv": ("./server", "a b"),
    "executable": "/srv/server",
    "host": "h",
    "kernel": "6.18",
    "version": "1",
    "profile": "LEARNING",
    "profile_digest": "0" * 64,
    "target_uid": 0,
    "outcome": "exited",
    "tags": {},
}
READ, OPEN = CallKey("x86_64", 0, "read"), CallKey("x86_64", 257, "openat")


def a_run(number: int, *, counted: bool = True, exact: bool = True, **figures: Any) -> Measured:
    return Measured(
        f"{number:012x}",
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
        {name: figures.get(name, 7) for name in FIGURES},
        ABOUT,
        counted,
        exact,
    )


def a_side(
    runs: list[Measured],
    calls: dict[CallKey, list[CallSums | None]] | None = None,
    failed: dict[tuple[CallKey, str], list[int]] | None = None,
) -> Side:
    """``calls`` and ``failed`` give one value for each run, None for a run without the call."""
    ids = [run.run_id for run in runs]
    return Side(
        "side",
        tuple(runs),
        {
            key: {run_id: one for run_id, one in zip(ids, each, strict=True) if one}
            for key, each in (calls or {}).items()
        },
        {
            key: {run_id: one for run_id, one in zip(ids, each, strict=True) if one}
            for key, each in (failed or {}).items()
        },
        {},
    )


def made(calls: int, *, each_ns: int = 100, blocked: int = 0) -> CallSums:
    return CallSums(calls, 0, blocked, calls * each_ns if calls else None, calls)


def several(first: int, calls: list[CallSums | None], key: CallKey = READ) -> Side:
    return a_side([a_run(first + at) for at in range(len(calls))], {key: calls})
