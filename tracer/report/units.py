"""Numbers as people read them. Units are chosen here, when printing, and nowhere before."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

from tracer.words.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN = "-"
"""How a report for people shows what is not known."""
_NS_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"))
_BYTE_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE_NS = 60_000_000_000


def count(value: int | None) -> str:
    """``1,234,567``; ``-`` if it is not known."""
    return UNKNOWN if value is None else f"{value:,}"


def counted(value: int | None, noun: str) -> str:
    """``1 read``, ``2 reads``, ``- reads``."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def duration(ns: int | None) -> str:
    """``870 ns``, ``1.23 ms``, ``45.6 s``, ``3 min 12 s``, ``2 h 05 min``; ``-`` if not known."""
    if ns is None:
        return UNKNOWN
    if ns >= _MINUTE_NS:
        return _long(ns)
    for size, unit in _NS_UNITS:
        if ns >= size:
            return f"{_three_digits(ns / size)} {unit}"
    return f"{ns} ns"


def size(value: int | None) -> str:
    """``512 B``, ``12.3 MiB``; ``-`` if it is not known."""
    if value is None:
        return UNKNOWN
    if abs(value) < 1024:
        return f"{value} B"
    number = float(value)
    for unit in _BYTE_UNITS:
        number /= 1024
        if abs(number) < 1000:
            return f"{_three_digits(number)} {unit}"
    return f"{number:,.0f} {_BYTE_UNITS[-1]}"


def percent(value: float | None) -> str:
    """``98 %``; ``-`` if it is not known."""
    return UNKNOWN if value is None else f"{value:.0f} %"


def change(ratio: float) -> str:
    """``+12.5 %``, ``0``, or ``x12`` from the elevenfold on."""
    if abs(ratio) >= 10:
        return f"x{1 + ratio:,.0f}"
    return f"{ratio * 100:+.1f} %" if round(ratio, 3) else "0"


def signed(value: float, shown: Callable[[int | None], str]) -> str:
    """A difference in the unit of ``shown``, with its sign; no sign before 0."""
    number = round(value)
    sign = "+" if number > 0 else "-" if number < 0 else ""
    return sign + shown(abs(number))


def signal_text(number: int) -> str:
    """``SIGSEGV (Segmentation fault)``."""
    name = signal_name(number)
    try:
        meaning = signal.strsignal(number)
    except ValueError:
        meaning = None
    # glibc repeats the number where it has no words: "Real-time signal 2".
    return f"{name} ({meaning})" if meaning and name in signal.Signals.__members__ else name


def errno_text(number: int | None) -> str:
    """``EPERM``, or the number where it has no name; ``-`` if it is not known."""
    return UNKNOWN if number is None else errno.errorcode.get(number, str(number))


def _three_digits(number: float) -> str:
    if number >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def _long(ns: int) -> str:
    seconds = round(ns / 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def error_meaning(number: int) -> str:
    """``No such file or directory``. For the kernel's own codes: that a restart follows."""
    if 512 <= number <= 516:  # include/linux/errno.h: never seen by the program
        return "Interrupted by a signal, restarted by the kernel"
    return os.strerror(number)
