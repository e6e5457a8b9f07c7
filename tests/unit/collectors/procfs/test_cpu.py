"""Shares of CPU of one process, by the differences of its CPU time."""

from __future__ import annotations

import os

from tracer.collectors.procfs.cpu import CpuMeter

MS = 1_000_000
INTERVAL = 100 * MS


def test_a_share_is_that_since_the_last_time() -> None:
    meter = CpuMeter(INTERVAL)
    assert meter.process_percent(7, 1, 5 * MS, 0) is None
    assert meter.process_percent(7, 1, 55 * MS, 100 * MS) == 50.0
    assert meter.process_percent(7, 1, 80 * MS, 200 * MS) == 25.0


def test_a_span_much_shorter_than_an_interval_is_joined_to_the_next() -> None:
    meter = CpuMeter(INTERVAL)
    meter.process_percent(7, 1, 0, 0)
    assert meter.process_percent(7, 1, 80 * MS, 89 * MS) is None
    assert meter.process_percent(7, 1, 80 * MS, 160 * MS) == 50.0
    assert meter.process_percent(7, 1, 125 * MS, 250 * MS) == 50.0  # nine tenths are enough


def test_another_process_of_the_same_number_begins_anew() -> None:
    meter = CpuMeter(INTERVAL)
    meter.process_percent(7, 1, 90 * MS, 0)
    assert meter.process_percent(7, 2, 0, 100 * MS) is None
    assert meter.process_percent(7, 2, 100 * MS, 200 * MS) == 100.0


def test_what_is_forgotten_begins_anew() -> None:
    meter = CpuMeter(INTERVAL)
    meter.process_percent(7, 1, 0, 0)
    meter.forget(7)
    meter.forget(8)
    assert meter.process_percent(7, 1, 50 * MS, 100 * MS) is None


def test_an_unknown_time_has_no_share() -> None:
    meter = CpuMeter(INTERVAL)
    meter.process_percent(7, 1, 0, 0)
    assert meter.process_percent(7, 1, None, 100 * MS) is None
    assert meter.process_percent(7, 1, 100 * MS, 200 * MS) == 50.0


def test_a_share_is_never_below_nothing_nor_above_all_cores() -> None:
    most = 100.0 * (os.cpu_count() or 1)
    meter = CpuMeter(INTERVAL)
    meter.process_percent(7, 1, 50 * MS, 0)
    assert meter.process_percent(7, 1, 40 * MS, 100 * MS) == 0.0
    assert meter.process_percent(7, 1, 10**6 * MS, 200 * MS) == most
