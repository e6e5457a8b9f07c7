"""Which limit of a profile was met, told from signals and refused forks."""

from __future__ import annotations

import errno
import signal

import pytest

from tracer.model import SyscallError
from tracer.profile import Limits
from tracer.session.limits import limit_hit


def hit(limits: Limits, *signals: int, **more: int | None) -> str | None:
    return limit_hit(limits, signals, (), 0, more.get("refused"), out_of_time=False)


def test_limits_are_told_from_signals_and_from_refused_forks() -> None:
    assert "cpu_seconds = 3" in (hit(Limits(cpu_seconds=3), signal.SIGXCPU) or "")
    assert "file_size" in (hit(Limits(file_size_bytes=9), signal.SIGXFSZ) or "")
    assert "refused once" in (hit(Limits(processes=4), refused=1) or "")
    assert "refused 7 times" in (hit(Limits(processes=4), refused=7) or "")


@pytest.mark.parametrize(("used_ns", "is_hit"), [(2_999_999_999, False), (3 * 10**9, True)])
def test_a_kill_is_the_cpu_limits_if_so_much_time_was_used(used_ns: int, is_hit: bool) -> None:
    limits = Limits(cpu_seconds=3)
    said = limit_hit(limits, [signal.SIGKILL], (), used_ns, out_of_time=False)
    assert (said is not None) is is_hit


def test_no_limit_is_told_without_a_trace_of_one() -> None:
    assert hit(Limits(cpu_seconds=3, processes=4), signal.SIGKILL, refused=0) is None
    assert hit(Limits(), signal.SIGXCPU, refused=None) is None


def failed(name: str, number: int, times: int, blocked: int = 0) -> SyscallError:
    """What one thread's calls of a name came to."""
    word = errno.errorcode[number]
    return SyscallError(1, 7, 0, 1, 7, "x86_64", 0, name, number, word, times, blocked)


@pytest.mark.parametrize(
    ("limits", "number", "name"),
    [
        (Limits(address_space_bytes=9), errno.ENOMEM, "mmap"),
        (Limits(data_bytes=9), errno.ENOMEM, "brk"),
        (Limits(processes=9), errno.EAGAIN, "clone3"),
        (Limits(open_files=9), errno.EMFILE, "openat"),
        (Limits(file_size_bytes=9), errno.EFBIG, "write"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_a_limit_is_told_from_the_error_that_the_kernel_gives_for_it(
    limits: Limits, number: int, name: str
) -> None:
    """Of all threads together; another error is of no weight, nor what the filter returned."""
    others = [failed(name, errno.EPERM, 5), failed(name, number, 0, blocked=3)]
    assert limit_hit(limits, (), others, 0, out_of_time=False) is None
    errors = [*others, failed(name, number, 2), failed(name, number, 11)]
    said = limit_hit(limits, (), errors, 0, out_of_time=False) or ""
    assert f" = 9: {name} failed 13 times with {errno.errorcode[number]}" in said


def test_an_error_that_has_many_causes_is_a_limits_only_of_its_own_calls() -> None:
    errors = [failed("setpriority", errno.EAGAIN, 1), failed("bpf", errno.ENOMEM, 1)]
    limits = Limits(processes=9, data_bytes=9, address_space_bytes=9)
    assert limit_hit(limits, (), errors, 0, out_of_time=False) is None
