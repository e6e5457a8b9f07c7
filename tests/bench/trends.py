"""How often ``trend`` is right: histories of which it is known whether and where they change.

    .venv/bin/python -m tests.bench.trends

Prints a table for docs/trend.md, and how long a history of 10,000 runs takes. The values are drawn
from a log-normal distribution, by a fixed seed.
"""

from __future__ import annotations

import time
from random import Random

from tracer.analysis.trend import change_points

HISTORIES = 1_000
NOISE, STEPS = 0.1, (1.1, 1.2, 1.5)
LENGTHS = (10, 20, 50, 200, 1_000)
MOST = 10_000


def history(draw: Random, runs: int, at: int | None, step: float) -> list[float]:
    """Runs whose level is ``step`` times as high from ``at`` on; None: it never changes."""
    first = runs if at is None else at
    return [draw.lognormvariate(0, NOISE) * (1 if n < first else step) for n in range(runs)]


def wrong(runs: int) -> float:
    """The part of histories without a change that are said to have one."""
    draw = Random(runs)  # noqa: S311 - no secret
    every = (history(draw, runs, None, 1) for _ in range(HISTORIES))
    return sum(bool(change_points(each, counted=False)) for each in every) / HISTORIES


def right(runs: int, step: float) -> tuple[float, float]:
    """The part of changed histories of which that is said, and of which the run is right by 2."""
    draw = Random(runs)  # noqa: S311
    found = near = 0
    for _ in range(HISTORIES):
        at = draw.randrange(runs // 4, runs - runs // 4)
        points = change_points(history(draw, runs, at, step), counted=False)
        found += bool(points)
        near += any(abs(point - at) <= 2 for point in points)
    return found / HISTORIES, near / HISTORIES


def main() -> None:
    """Print the table."""
    heads = (f"found, +{step - 1:.0%} | at the run" for step in STEPS)
    print(f"| runs | wrongly said to change | {' | '.join(heads)} |")
    print("|---" * (2 + 2 * len(STEPS)) + "|")
    for runs in LENGTHS:
        parts = [part for step in STEPS for part in right(runs, step)]
        cells = " | ".join(f"{part:.1%}" for part in (wrong(runs), *parts))
        print(f"| {runs:,} | {cells} |", flush=True)
    values = history(Random(0), MOST, MOST // 3, 1.2)  # noqa: S311
    begun = time.monotonic()
    points = change_points(values, counted=False)
    took_ms = (time.monotonic() - begun) * 1000
    print(f"\n{MOST:,} runs: {len(points)} change found in {took_ms:.0f} ms")


if __name__ == "__main__":
    main()
