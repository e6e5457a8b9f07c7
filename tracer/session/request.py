"""What ``sbtrace run`` is asked for, and everything about it that can be wrong beforehand."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from tracer import capabilities
from tracer import profile as profiles
from tracer.errors import UsageError
from tracer.sandbox.command import resolve_command
from tracer.sandbox.launch import Launch
from tracer.sandbox.prepared import of_profile, require_execve
from tracer.sandbox.privileges import asked_for, privileges
from tracer.sandbox.user import target_user
from tracer.session.launched import LaunchPlan
from tracer.store.location import check_writable
from tracer.store.location import resolve as resolve_database

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.profile import Profile
    from tracer.sandbox.confine import Confinement
    from tracer.sandbox.privileges import Privileges
    from tracer.sandbox.user import TargetUser
    from tracer.session.aftermath import Daemons
    from tracer.session.target import TargetPlan

TraceMode = Literal["auto", "full", "none"]

MIN_INTERVAL_MS = 10
MAX_INTERVAL_MS = 60_000


class Request(NamedTuple):
    """The command line of ``run``, as it was given."""

    command: tuple[str, ...]
    profile: str = "LEARNING"
    database: str | None = None
    """None: SBTRACE_DB, else the default of the user who asked."""
    user: str | None = None
    capabilities: tuple[str, ...] | None = None
    """The words of ``--cap``; None: as the profile says."""
    timeout_s: float | None = None
    interval_ms: int = 100
    trace: TraceMode = "auto"
    tags: Mapping[str, str] = MappingProxyType({})
    daemons: Daemons = "wait"
    closed: tuple[int, ...] = ()
    """Standard descriptors that sbtrace itself was started without."""

    @property
    def interval_ns(self) -> int:
        """Between two samples."""
        return self.interval_ms * 1_000_000


class Plan(NamedTuple):
    """A request that was found good: every mistake it can hold has been reported."""

    request: Request
    profile: Profile
    target: TargetPlan
    database: Path
    timeout_s: float | None
    """The nearer of ``--timeout`` and the profile's wall limit; None: no limit."""
    timeout_is_limit: bool
    """Whether that is the profile's."""
    host: str
    kernel: str


def plan(request: Request) -> Plan:
    """Check a request whole. Raises SbtraceError; nothing has been started then."""
    if not request.command:
        raise UsageError("no command given: sbtrace run [OPTIONS] [--] CMD [ARG...]")
    if not MIN_INTERVAL_MS <= request.interval_ms <= MAX_INTERVAL_MS:
        raise UsageError(
            f"--interval {request.interval_ms}: give {MIN_INTERVAL_MS} to {MAX_INTERVAL_MS} (ms)"
        )
    if request.timeout_s is not None and not 0 < request.timeout_s <= 10**9:
        raise UsageError(f"--timeout {request.timeout_s:g}: give a number of seconds above 0")
    asked = asked_for(request.capabilities)
    profile = profiles.load(request.profile)
    require_execve(profile)
    load_filter = of_profile(profile)
    executable = resolve_command(request.command[0])
    user = target_user(request.user)
    database = resolve_database(request.database)
    check_writable(database)
    rights = privileges(profile, asked, user)
    launch = Launch(
        file=executable,
        argv=request.command,
        environment=_environment(user),
        user=user,
        privileges=rights,
        confinement=confinement_for(user, rights, database),
        limits=_limits(profile),
        load_filter=load_filter,
        draw_secret=load_filter.secret if load_filter is not None else None,
        closed=request.closed,
    )
    machine = os.uname()
    timeout_s, is_limit = _nearer(request.timeout_s, profile.limits.wall_seconds)
    return Plan(
        request=request,
        profile=profile,
        target=LaunchPlan(launch, _cwd(), profile.limits.processes),
        database=database,
        timeout_s=timeout_s,
        timeout_is_limit=is_limit,
        host=machine.nodename,
        kernel=machine.release,
    )


def confinement_for(user: TargetUser, rights: Privileges, database: Path) -> Confinement | None:
    """What keeps a target of root's from what would give it the machine; None for another's."""
    undoes_it = rights.begins_with & capabilities.mask_of(("SYS_ADMIN",))
    if user.uid != 0 or not rights.no_new_privs or undoes_it:
        return None
    from tracer.sandbox.confine import confinement
    from tracer.session.protected_paths import protected_paths

    return confinement(protected_paths(database))


def _nearer(asked: float | None, limit: float | None) -> tuple[float | None, bool]:
    if limit is not None and (asked is None or limit < asked):
        return limit, True
    return asked, False


def _cwd() -> str:
    try:
        return os.fspath(Path.cwd())
    except OSError:
        return ""  # the folder is gone; the target will find that out by itself


def _environment(user: TargetUser) -> dict[str, str]:
    """The caller's environment; of another user, with what names that user put right."""
    environment = dict(os.environ)
    if user.changes:
        for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND"):
            environment.pop(name, None)
        known = {"USER": user.name, "LOGNAME": user.name, "HOME": user.home}
        environment.update({name: value for name, value in known.items() if value is not None})
    return environment


def _limits(profile: Profile) -> tuple[tuple[int, int], ...]:
    """What setrlimit(2) can hold; the number of processes is ``ProcessBound``'s."""
    limits = profile.limits
    values = {
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_DATA: limits.data_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
        resource.RLIMIT_CORE: limits.core_bytes,
    }
    return tuple((which, value) for which, value in values.items() if value is not None)
