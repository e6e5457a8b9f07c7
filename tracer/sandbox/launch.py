"""The launcher: a child that waits, gives up what it may not keep, and becomes the target.

It is forked before sbtrace has threads or loads anything large. Between fork and execve
it does nothing but what is listed here, makes no read or write of its own (they would be
in the target's /proc/PID/io), and leaves only through ``os._exit``. The filter comes last,
and after it nothing but execve is called: a profile need not allow what the launcher does.
"""

from __future__ import annotations

import errno
import gc
import mmap
import os
import resource
import select
import signal
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from tracer import linux
from tracer.errors import (
    CommandNotExecutable,
    CommandNotFound,
    SandboxError,
    SbtraceError,
)
from tracer.sandbox import landlock, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracer.sandbox.confine import Confinement
    from tracer.sandbox.privileges import Privileges
    from tracer.sandbox.signals import SignalState
    from tracer.sandbox.user import TargetUser

_STAGES = (
    "start",
    "confinement",
    "descriptors",
    "limits",
    "privileges",
    "identity",
    "filter",
    "execve",
)
_REPORT = struct.Struct("=III")  # go, stage, errno
_LACKS = struct.Struct("=I")  # a bit for each of _UNPROTECTED
_LACKS_AT = _REPORT.size
_USE = struct.Struct("=QQQQQQ")  # the fields of LauncherUse, and since when
_USE_AT = 16
_UNCONFINED = (
    "the target could write root's files and the kernel's switches, since sbtrace can make no"
    " mounts (CAP_SYS_ADMIN, Linux 5.12 or later): give --user NAME"
)
_UNSCOPED = (
    "the target could signal processes of its user outside the run, since the kernel scopes no"
    " signals here (Landlock of Linux 6.12 or later): give --user NAME of a user who has no others"
)
_UNPROTECTED = (_UNCONFINED, _UNSCOPED)
"""What could not be had and is done without, in the order of the bits."""


class Launch(NamedTuple):
    """What is to be started, and under which constraints."""

    file: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    user: TargetUser
    privileges: Privileges
    limits: tuple[tuple[int, int], ...]
    """(RLIMIT_*, value) pairs; set as soft and hard limit."""
    load_filter: Callable[[], None] | None
    """Loads the seccomp filter; None for a profile that filters nothing."""
    closed: tuple[int, ...] = ()
    """Standard descriptors that sbtrace was started without: the target gets none either."""
    confinement: Confinement | None = None
    """For a target of root's that has no way to undo it; None for any other."""
    draw_secret: Callable[[], tuple[int, ...]] | None = None
    """Gives the filter, and the execve, what makes this the one that is let through."""


class Launcher:
    """The waiting child. ``release`` lets it go; ``close`` before that ends it."""

    def __init__(self, launch: Launch, signals: SignalState) -> None:
        """``signals``: what sbtrace's caller had; what is held back meanwhile is not his."""
        self._launch = launch
        # An errno cannot come back through a pipe: the filter may forbid write(2).
        self._report = mmap.mmap(-1, _USE_AT + _USE.size)
        exec_pipe = os.pipe()
        ready_pipe = os.pipe()
        gc.freeze()  # no collection before the child forbids it
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready_pipe[1])
            _become_target(launch, signals, self._report, ready_pipe[0], parent)
        os.close(ready_pipe[0])
        os.close(exec_pipe[1])
        self._ready, self.exec_fd = ready_pipe[1], exec_pipe[0]
        self.pidfd = os.pidfd_open(self.pid)

    def release(self) -> None:
        """Let the child go on to its execve."""
        _REPORT.pack_into(self._report, 0, 1, 0, 0)
        os.close(self._ready)
        self._ready = -1

    def bound(self, limits: tuple[tuple[int, int], ...]) -> None:
        """Set further (RLIMIT_*, value) pairs for the child, by prlimit(2). Raises OSError."""
        for which, value in limits:
            _set_limit(self.pid, which, value)

    def limit_descriptors(self, limit: tuple[int, int]) -> None:
        """Give the child the soft and hard limit that sbtrace's caller had. Raises OSError."""
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, limit)

    def used(self) -> tuple[int, int, int, int, int]:
        """What the child itself had used at ``last_step_ns``, all of it in the target's own
        accounts: user ns, system ns, minor faults, major faults, peak resident bytes."""
        user, system, minor, major, peak, _ = _USE.unpack_from(self._report, _USE_AT)
        return user, system, minor, major, peak

    @property
    def last_step_ns(self) -> int:
        """CLOCK_MONOTONIC instant of the last step before filter and execve.

        All CPU time that is not in ``used`` came later, the execve's own work included.
        """
        instant: int = _USE.unpack_from(self._report, _USE_AT)[5]
        return instant

    def unprotected(self) -> tuple[str, ...]:
        """Say what the target is not kept from, where kernel or caller's rights do not allow it.

        Ask once it is executed.
        """
        (lacks,) = _LACKS.unpack_from(self._report, _LACKS_AT)
        return tuple(text for bit, text in enumerate(_UNPROTECTED) if lacks >> bit & 1)

    def failure(self) -> SbtraceError | None:
        """Return why the child never became the target; None if it did (or is about to)."""
        _go, stage, code = _REPORT.unpack_from(self._report)
        if code == 0:
            return None
        return _failure(self._launch, _STAGES[stage], code)

    def close(self) -> None:
        """Let go of everything; a child that is not reaped yet is killed: nobody waits for it."""
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1
        with suppress(ProcessLookupError, ChildProcessError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.exec_fd)
        os.close(self.pidfd)


def _failure(launch: Launch, stage: str, code: int) -> SbtraceError:
    reason = os.strerror(code)
    if stage != "execve":
        remedy = ": give --user NAME, who needs none" if stage == "confinement" else ""
        return SandboxError(
            f"cannot set up the {stage} of the target: {reason}: nothing was started{remedy}"
        )
    if code in (errno.ENOENT, errno.ENOTDIR):
        return CommandNotFound(
            f"{launch.file}: {reason}: the file, or the interpreter that it names, is missing"
        )
    hint = {
        errno.ENOEXEC: ": it is no program; a script needs #! and its interpreter in line 1",
        errno.EACCES: f": user {launch.user.name or launch.user.uid} may not execute it",
        errno.EPERM: ": the profile, or the file system's mount options, forbid it",
    }.get(code, "")
    return CommandNotExecutable(f"{launch.file}: {reason}{hint}")


def _become_target(
    launch: Launch, signals: SignalState, report: mmap.mmap, ready: int, parent: int
) -> NoReturn:
    stage = 0

    def reached(name: str) -> None:
        nonlocal stage
        stage = _STAGES.index(name)

    code = errno.EINVAL
    try:
        gc.disable()
        _stay_with(parent)
        trouble = _confine(launch, report)
        _wait(report, ready)
        if trouble is not None:
            reached("confinement")
            raise trouble
        execute = _prepare(launch, signals, reached)
        _note_use(report)
        if launch.load_filter is not None:
            reached("filter")
            launch.load_filter()
        reached("execve")
        code = execute()
    except OSError as error:
        code = error.errno or errno.EINVAL
    finally:
        _REPORT.pack_into(report, 0, 1, stage, code)
        os._exit(127)


def _stay_with(parent: int) -> None:
    """End with the supervisor from now on, or at once if it is gone already."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # the supervisor's own state, undone
    if os.getppid() != parent:
        os._exit(127)


def _confine(launch: Launch, report: mmap.mmap) -> OSError | None:
    """What needs not wait for the others of sbtrace, who are busy meanwhile.

    Return what went wrong: nobody listens yet. What can be done without is noted.
    """
    confined = scoped = True
    try:
        if launch.confinement is not None:
            confined = launch.confinement.enter()
        if launch.privileges.no_new_privs:
            linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
            scoped = landlock.scope_signals()
    except OSError as error:
        return error
    _LACKS.pack_into(report, _LACKS_AT, (not confined) | (not scoped) << 1)
    return None


def _wait(report: mmap.mmap, ready: int) -> None:
    """Wait until the parent closes the pipe on purpose; end if it died or gave up.

    poll, not read: a read would be counted in the target's own syscr (proc_pid_io(5)).
    """
    waiting = select.poll()
    waiting.register(ready, 0)
    waiting.poll()
    if _REPORT.unpack_from(report)[0] == 0:
        os._exit(127)


def _prepare(
    launch: Launch, signals: SignalState, reached: Callable[[str], None]
) -> prepared.PreparedExec:
    reached("start")
    execute = prepared.PreparedExec(
        launch.file,
        [os.fsencode(word) for word in launch.argv],
        {os.fsencode(k): os.fsencode(v) for k, v in launch.environment.items()},
        launch.draw_secret() if launch.draw_secret is not None else (),
    )
    reached("descriptors")
    linux.close_on_exec_from(3)
    reached("limits")
    for which, value in launch.limits:
        _set_limit(0, which, value)
    reached("privileges")
    launch.privileges.before_identity(changes=launch.user.changes)
    reached("identity")
    if launch.user.changes:
        _become(launch.user)
    reached("privileges")
    launch.privileges.after_identity(changes=launch.user.changes)
    # Once more: a change of credentials clears it (prctl(2)).
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.keep_heap()
    for descriptor in launch.closed:
        os.close(descriptor)
    signals.restore()
    return execute


def _note_use(report: mmap.mmap) -> None:
    # The instant first, so that all CPU time lies after it. And before the filter: where no vDSO
    # tells the time, that is a syscall.
    now = time.monotonic_ns()
    use = resource.getrusage(resource.RUSAGE_SELF)
    _USE.pack_into(
        report,
        _USE_AT,
        round(use.ru_utime * 1e9),
        round(use.ru_stime * 1e9),
        use.ru_minflt,
        use.ru_majflt,
        use.ru_maxrss * 1024,
        now,
    )


def _set_limit(pid: int, which: int, value: int) -> None:
    """Set soft and hard limit, never above the hard limit that there is."""
    most = resource.prlimit(pid, which)[1]
    # A second between the two: at the hard limit of CPU time SIGKILL comes without SIGXCPU.
    wanted = value + 1 if which == resource.RLIMIT_CPU else value
    hard = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.prlimit(pid, which, (min(value, hard), hard))


def _become(user: TargetUser) -> None:
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
