"""Names of signals."""

from __future__ import annotations

import signal

_REAL_TIME_SIGNALS = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)


def signal_name(number: int) -> str:
    """``SIGSYS``, ``SIGRTMIN+2``, or ``signal 77`` where the number has no name here."""
    if number in _REAL_TIME_SIGNALS and number > signal.SIGRTMIN:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
