"""Units: chosen when printing, unknown is a dash."""

from __future__ import annotations

import pytest

from tracer.report import units
from tracer.words.signals import signal_name


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, "-"),
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1.00 us"),
        (1_234_567, "1.23 ms"),
        (12_345_678, "12.3 ms"),
        (123_456_789, "123 ms"),
        (45_600_000_000, "45.6 s"),
        (192_000_000_000, "3 min 12 s"),
        (7_500_000_000_000, "2 h 05 min"),
    ],
)
def test_a_duration_has_three_digits_and_its_unit(ns: int | None, text: str) -> None:
    assert units.duration(ns) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (12_897_485, "12.3 MiB"),
        (1 << 40, "1.00 TiB"),
    ],
)
def test_a_size_is_binary(value: int | None, text: str) -> None:
    assert units.size(value) == text


def test_a_count_has_separators_and_its_noun() -> None:
    assert units.count(1234567) == "1,234,567"
    assert units.counted(1, "read") == "1 read"
    assert units.counted(0, "read") == "0 reads"
    assert units.counted(None, "read") == "- reads"


@pytest.mark.parametrize(
    ("number", "text"), [(31, "SIGSYS"), (9, "SIGKILL"), (36, "SIGRTMIN+2"), (99, "signal 99")]
)
def test_a_signal_has_its_name(number: int, text: str) -> None:
    assert signal_name(number) == text


def test_errnos_of_the_kernels_own_are_explained() -> None:
    assert units.error_meaning(2) == "No such file or directory"
    assert "restarted" in units.error_meaning(512)
