"""The eBPF collector of a run: had, or told why not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tracer import syscalls
from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer.collectors.kernel import KernelCollector
    from tracer.profile import Profile
    from tracer.session.request import TraceMode


def kernel_collector(
    mode: TraceMode, profile: Profile
) -> tuple[KernelCollector | None, str | None]:
    """Return the collector, or None and, if it was wanted, why there is none.

    Raises KernelError if there is none and ``mode`` is ``full``.
    """
    if mode == "none":
        return None, None
    try:
        if os.geteuid() != 0:
            raise KernelError("eBPF needs root: run it with sudo, or say --trace none")
        from tracer.collectors.kernel import KernelCollector

        return KernelCollector(_decide(profile), _logged(profile), verdicts(profile)), None
    except KernelError as error:
        if mode == "full":
            raise
        return None, str(error)


def _decide(profile: Profile) -> Callable[[str, int, tuple[int, ...]], str]:
    """Return what the profile does with a call, by the names of seccomp's actions."""
    return lambda abi, nr, args: profile.decide(abi, nr, args).action.kind.upper()


def _logged(profile: Profile) -> frozenset[int]:
    """Return the native numbers that the profile may let through with ``log``."""
    from tracer.collectors.kernel.paths import DIRECT_NUMBERS

    abi = profile.abis[0]
    if profile.default_action.kind == "log":
        return frozenset(range(DIRECT_NUMBERS))
    names = {name for rule in profile.rules if rule.action.kind == "log" for name in rule.syscalls}
    numbers = (syscalls.number(abi, name) for name in names)
    return frozenset(nr for nr in numbers if nr is not None and nr < DIRECT_NUMBERS)


_VSYSCALLS = ("gettimeofday", "time", "getcpu")
"""The calls of the vsyscall page, in its order (arch/x86/entry/vsyscall)."""


def verdicts(profile: Profile) -> list[int]:
    """Return what the profile does with each call of the vsyscall page, as bpf/records.h has it.

    Empty where there is no such page.
    """
    if os.uname().machine != "x86_64":
        return []
    return [_verdict(profile, name) for name in _VSYSCALLS]


def _verdict(profile: Profile, name: str) -> int:
    from tracer.collectors.kernel import wire

    nr = syscalls.number("x86_64", name)
    if nr is None or name in profile.conditional:
        return wire.VERDICT_UNKNOWN
    action = profile.decide("x86_64", nr).action
    if action.errno is not None:
        return wire.VERDICT_ERRNO + (syscalls.errno_number(action.errno) or 0)
    return wire.VERDICT_UNKNOWN if action.permits else wire.VERDICT_SIGNAL
