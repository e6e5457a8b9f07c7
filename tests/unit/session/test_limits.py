"""Which limit of a profile was met, told from signals and refused forks."""

from __future__ import annotations

import signal

from tracer.profile import Limits
from tracer.session.limits import limit_hit


def hit(limits: Limits, *signals: int, **more: int | None) -> str | None:
    return limit_hit(limits, signals, (), 0, more.get("refused"), out_of_time=False)


def test_limits_are_told_from_signals_and_from_refused_forks() -> None:
    assert "cpu_seconds = 3" in (hit(Limits(cpu_seconds=3), signal.SIGXCPU) or "")
    assert "file_size" in (hit(Limits(file_size_bytes=9), signal.SIGXFSZ) or "")
    assert "refused once" in (hit(Limits(processes=4), refused=1) or "")
    assert "refused 7 times" in (hit(Limits(processes=4), refused=7) or "")


def test_no_limit_is_told_without_a_trace_of_one() -> None:
    assert hit(Limits(cpu_seconds=3, processes=4), signal.SIGKILL, refused=0) is None
    assert hit(Limits(), signal.SIGXCPU, refused=None) is None
