"""Shares of CPU: of one process, and the most of a whole target, whose spans are its run."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from tracer.collectors.procfs.cpu import TICK_NS, CpuMeter, When

MS = 1_000_000
INTERVAL = 100 * MS
LAUNCHER = 40 * MS
STEPS = st.lists(st.tuples(st.integers(1, 250 * MS), st.floats(0, 1)), min_size=1, max_size=12)
"""Of each time between two samples: how long it was, and what part of it went by working."""


def at(instant_ns: int) -> When:
    """A reading that took no time."""
    return When(instant_ns, instant_ns)


def test_a_share_is_that_since_the_last_time() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    assert meter.process_percent(7, 1, 5 * MS, at(0)) is None
    assert meter.process_percent(7, 1, 55 * MS, at(100 * MS)) == 50.0
    assert meter.process_percent(7, 1, 80 * MS, at(200 * MS)) == 25.0


def test_a_span_much_shorter_than_an_interval_is_joined_to_the_next() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.process_percent(7, 1, 0, at(0))
    assert meter.process_percent(7, 1, 80 * MS, at(89 * MS)) is None
    assert meter.process_percent(7, 1, 80 * MS, at(160 * MS)) == 50.0
    assert meter.process_percent(7, 1, 125 * MS, at(250 * MS)) == 50.0  # nine tenths are enough


def test_another_process_of_the_same_number_begins_anew() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.process_percent(7, 1, 90 * MS, at(0))
    assert meter.process_percent(7, 2, 0, at(100 * MS)) is None
    assert meter.process_percent(7, 2, 100 * MS, at(200 * MS)) == 100.0


def test_what_is_forgotten_begins_anew() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.process_percent(7, 1, 0, at(0))
    meter.forget(7)
    meter.forget(8)
    assert meter.process_percent(7, 1, 50 * MS, at(100 * MS)) is None


def test_an_unknown_time_has_no_share() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.process_percent(7, 1, 0, at(0))
    assert meter.process_percent(7, 1, None, at(100 * MS)) is None
    assert meter.process_percent(7, 1, 100 * MS, at(200 * MS)) == 50.0


def test_a_share_is_never_below_nothing_nor_above_all_cores() -> None:
    most = 100.0 * (os.cpu_count() or 1)
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.process_percent(7, 1, 50 * MS, at(0))
    assert meter.process_percent(7, 1, 40 * MS, at(100 * MS)) == 0.0
    assert meter.process_percent(7, 1, 10**6 * MS, at(200 * MS)) == most


@given(STEPS)
def test_the_most_is_no_less_than_the_mean_of_the_whole_run(
    steps: list[tuple[int, float]],
) -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.begin(LAUNCHER)
    now = used = 0
    for length, share in steps:
        now, used = now + length, used + int(length * share)
        meter.tick(at(now), LAUNCHER + used)
    meter.add_reaped(1, LAUNCHER + used)
    peak = meter.peak(now)
    if now >= INTERVAL:
        assert peak is not None
        assert peak >= 100 * used / now - 1e-9
    else:
        assert peak is None or peak >= 0


def test_work_at_the_end_of_a_run_counts_though_its_last_span_is_short() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.tick(at(INTERVAL), 0)
    meter.add_reaped(1, 80 * MS)
    assert meter.peak(INTERVAL + 80 * MS) == 100 * 80 / 180


def test_work_before_the_first_sample_counts_and_the_launchers_does_not() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.begin(LAUNCHER)
    meter.tick(at(50 * MS), LAUNCHER + 50 * MS)
    meter.tick(at(INTERVAL), LAUNCHER + 50 * MS)
    assert meter.peak(None) == 50


def test_a_run_shorter_than_an_interval_has_none() -> None:
    meter = CpuMeter(INTERVAL, lag_ns=0)
    meter.add_reaped(1, 10 * MS)
    assert meter.peak(INTERVAL // 2) is None


@given(STEPS, st.integers(0, 5 * MS))
def test_one_thread_never_has_more_than_a_core_however_long_a_reading_takes(
    steps: list[tuple[int, float]], took: int
) -> None:
    """It works all the time; a reading tells of its first instant, the next of its last."""
    meter = CpuMeter(INTERVAL, lag_ns=0)
    now = 0
    for number, (length, _) in enumerate(steps):
        when = When(now + length, now + length + took)
        cpu = when[number % 2]
        meter.tick(when, cpu)
        alone = meter.process_percent(7, 1, cpu, when)
        assert alone is None or alone <= 100
        now = when.until_ns
    meter.add_reaped(7, now)
    peak = meter.peak(now)
    assert peak is None or peak <= 100


@given(STEPS, st.integers(0, 10 * MS))
def test_nor_where_a_reading_lacks_what_was_used_since_the_last_tick(
    steps: list[tuple[int, float]], lag: int
) -> None:
    """As of a task that runs on another CPU: every second reading lacks all that it may."""
    meter = CpuMeter(INTERVAL, lag_ns=lag)
    now = 0
    for number, (length, _) in enumerate(steps):
        now += length
        cpu = max(now - lag * (number % 2), 0)
        meter.tick(at(now), cpu)
        alone = meter.process_percent(7, 1, cpu, at(now))
        assert alone is None or alone <= 100
    meter.add_reaped(7, now)
    peak = meter.peak(now)
    assert peak is None or peak <= 100


def test_a_tick_of_the_kernel_is_one_to_ten_milliseconds() -> None:
    assert MS <= TICK_NS <= 10 * MS
