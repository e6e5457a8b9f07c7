"""A run on trial: is the target counted here, and kept in, by all that a run does it with?"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tracer import profile as profiles
from tracer.errors import KernelError
from tracer.sandbox.launch import Launch, Launcher
from tracer.sandbox.privileges import privileges
from tracer.sandbox.signals import hold
from tracer.sandbox.user import target_user
from tracer.session.counting import kernel_collector
from tracer.session.request import confinement_for

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.collectors.kernel import KernelCollector, KernelRecords
    from tracer.profile import Profile

_COMMAND = ("/bin/sh", "-c", ":")
_PROFILE = "LEARNING"
_FILTERING = "STRICT"
"""For what comes with a filter: the filter itself is not loaded, and would end the shell."""


def count_on_trial() -> str:
    """Count the calls of a shell that does nothing; return in words how many those were.

    Raises SbtraceError where a run would have no full figures, in the words of such a run.
    """
    profile = profiles.load(_PROFILE)
    with ExitStack() as stack:
        launcher = Launcher(_launch(profile, None), hold(frozenset()))
        stack.callback(launcher.close)
        kernel, _ = kernel_collector("full", profile)
        assert kernel is not None  # noqa: S101 - where there is none, "full" raises
        stack.callback(kernel.close)
        return _in_words(_counted(launcher, kernel))


def unprotected_on_trial(database: Path) -> tuple[str, ...]:
    """Start a shell as under a profile that filters; return what it is not kept from, in words.

    ``database``: where runs are recorded. Raises SbtraceError where it cannot be started.
    """
    with ExitStack() as stack:
        launcher = Launcher(_launch(profiles.load(_FILTERING), database), hold(frozenset()))
        stack.callback(launcher.close)
        _run(launcher)
        return launcher.unprotected()


def _launch(profile: Profile, database: Path | None) -> Launch:
    user = target_user(None)
    rights = privileges(profile, None, user)
    return Launch(
        file=_COMMAND[0],
        argv=_COMMAND,
        environment={},
        user=user,
        privileges=rights,
        confinement=confinement_for(user, rights, database) if database is not None else None,
        limits=(),
        load_filter=None,
    )


def _counted(launcher: Launcher, kernel: KernelCollector) -> KernelRecords:
    kernel.enrol(launcher.pidfd)
    _run(launcher)
    return kernel.stop()


def _run(launcher: Launcher) -> None:
    launcher.release()
    os.waitid(os.P_PIDFD, launcher.pidfd, os.WEXITED | os.WNOWAIT)
    failure = launcher.failure()
    if failure is not None:
        raise failure


def _in_words(records: KernelRecords) -> str:
    calls = sum(row.calls for row in records.totals.stats)
    if not calls:
        raise KernelError(f"eBPF runs, but counted no call of {_COMMAND[0]}: report it")
    return f"counted {calls} calls of {_COMMAND[0]} (tried)"
