"""Three processes instead of one, so that no death of sbtrace leaves a part of the target alive.

    front        what the caller started and waits for: reads the command line, then passes
                 signals on and the exit status back
      guard        in a session of its own, so that no signal to the process group reaches it
        supervisor   does all the work; in the process group of the front, as the target is
          target

All three are child subreapers (prctl(2)). When one of them dies, its children fall to the one
above, which kills them. The supervisor sees the death of the others, ends the target itself and
still records the run. PDEATHSIG alone would reach the command but not its children. The guard has
nothing to do while all goes well, so it is given work beside the run.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from tracer import linux
from tracer.errors import EXIT_FAILED
from tracer.sandbox.signals import SignalState, hold
from tracer.session.processes.children import end_children, hold_list
from tracer.session.processes.crash import (
    Limits,
    own_limits,
    say_fault,
    say_lowered_limits,
    say_no_memory,
)
from tracer.session.processes.front import PID_BYTES, Front, cannot_split, leave_streams
from tracer.session.signals import HELD

if TYPE_CHECKING:
    from collections.abc import Callable

_GUARD_NAME = b"trace-guard"
"""`pkill sbtrace` and `killall sbtrace` do not match it. They are to end the run; with the guard
dead, the target would go on."""
_OPEN_FILES = 1024


class Guard(NamedTuple):
    """The two processes above the supervisor, as it sees them."""

    signals: SignalState
    """What sbtrace's caller had set."""
    open_files: tuple[int, int]
    """The caller's limit on them, soft and hard."""
    watched: tuple[int, ...]
    """Descriptors that become readable when the front or the guard is dead."""
    order_fd: int
    """Pipe from the front: what is wanted; it ends with nothing if nothing is."""
    relay_fd: int
    """Pipe from the front: a byte for each signal that a process sent to it."""
    tasks_fd: int
    """Pipe to the work that the guard was given, which ends when this end is closed."""
    answers_fd: int
    """Pipe back from it."""

    def relayed(self) -> list[int]:
        """Return the signals that came to the front since the last time."""
        try:
            return list(os.read(self.relay_fd, 256))
        except BlockingIOError:
            return []

    @property
    def broken(self) -> bool:
        """Whether one of the two is dead."""
        poll = select.poll()
        for descriptor in self.watched:
            poll.register(descriptor, select.POLLIN)
        # Whoever dies closes its files first, and whoever is told of that looks here only once.
        poll.register(self.relay_fd, 0)
        return bool(poll.poll(0))

    def signal_front(self, number: int) -> None:
        """Send a signal to the front, whose stops and continuations its caller sees."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.watched[0], number)


def split(supervise: Callable[[Guard], NoReturn], work: Callable[[int, int], object]) -> Front:
    """Fork guard and supervisor, which begin at once; the calling process is the front.

    ``supervise`` is what the supervisor does; ``Guard.order_fd`` gives it what ``Front.hand_over``
    was given. ``work(tasks, answers)`` is what the guard does meanwhile, with the other ends of
    ``Guard.tasks_fd`` and ``answers_fd``; it has to return once ``tasks`` ends, by which the
    guard learns that the supervisor is gone. The signals of ``HELD`` are blocked in all three.

    Call it with one thread and nothing in the buffers of the standard streams. Raises
    SandboxError if the two cannot be forked.
    """
    signals = hold(HELD)
    open_files = make_room()
    try:
        return _split((signals, open_files), supervise, work)
    except OSError as error:
        raise cannot_split(error) from error


class _Pipes(NamedTuple):
    """All that connects the three, opened while there is one of them: so that it can fail."""

    front_fd: int
    told: int
    tell: int
    order_in: int
    order: int
    relayed: int
    relay: int
    tasks_in: int
    tasks: int
    answered: int
    answers: int

    @classmethod
    def open(cls) -> _Pipes:
        """Open all of them, or none. Raises OSError."""
        with ExitStack() as stack:
            opened = [os.pidfd_open(os.getpid())]
            stack.callback(os.close, opened[0])
            for flags in (0, 0, os.O_NONBLOCK, 0, 0):
                pair = os.pipe2(os.O_CLOEXEC | flags)
                stack.callback(_close, *pair)
                opened += pair
            stack.pop_all()
            return cls(*opened)

    def close_all_but(self, *kept: int) -> None:
        """Leave to a process what it uses."""
        _close(*set(self).difference(kept))


def _split(
    found: tuple[SignalState, tuple[int, int]],
    supervise: Callable[[Guard], NoReturn],
    work: Callable[[int, int], object],
) -> Front:
    pipes = _Pipes.open()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)  # no target of the same user may trace the two
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    guard = os.fork()
    if guard:
        pipes.close_all_but(pipes.told, pipes.order, pipes.relay)
        return Front(guard, pipes.told, pipes.order, pipes.relay)
    guard_fd, supervisor = _fork_supervisor(pipes.tell)
    if supervisor:
        os.close(guard_fd)
        pipes.close_all_but(pipes.tasks_in, pipes.answers)
        _keep_watch(supervisor, work, (pipes.tasks_in, pipes.answers))
    own = (pipes.order_in, pipes.relayed, pipes.tasks, pipes.answered)
    pipes.close_all_but(pipes.front_fd, *own)
    return _leave_to(supervise, Guard(*found, (pipes.front_fd, guard_fd), *own))


def _leave_to(supervise: Callable[[Guard], NoReturn], guard: Guard) -> NoReturn:
    """Never return into what the front is to go on with, whatever happens."""
    before = own_limits()
    try:
        supervise(guard)
    except BaseException as error:
        _say_why(error, before)
        raise
    finally:
        os._exit(EXIT_FAILED)


def _say_why(error: BaseException, before: Limits) -> None:
    try:
        if say_lowered_limits(before):
            return
        if isinstance(error, MemoryError):
            say_no_memory()
        else:
            say_fault(error)
    except MemoryError:  # a call failed as memory ran out, and a sentence needs some
        say_no_memory()


def make_room() -> tuple[int, int]:
    """Let sbtrace itself have the open files that it needs; return the caller's limit."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(before[0], _OPEN_FILES)
    most = max(before[1], wanted) if os.geteuid() == 0 else before[1]
    with suppress(OSError, ValueError):  # then what there is has to do
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), most))
    return before


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def leave(status: int) -> NoReturn:
    """End the supervisor: as a forked process does, without the interpreter's own end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, or nobody reads it any more
            stream.flush()
    os._exit(status)


def _fork_supervisor(tell: int) -> tuple[int, int]:
    """Fork. Return a pidfd of the parent, which is the guard, and, to the parent, a pid."""
    try:
        own_fd = os.pidfd_open(os.getpid())
        child = os.fork()
    except OSError as error:
        _tell(tell, -(error.errno or 1))
        os._exit(EXIT_FAILED)
    if child == 0:
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # for the launcher; its time comes later
    else:
        _tell(tell, child)
    return own_fd, child


def _tell(tell: int, number: int) -> None:
    with suppress(BrokenPipeError):  # the front is dead, which the supervisor will see
        os.write(tell, number.to_bytes(PID_BYTES, sys.byteorder, signed=True))


def _keep_watch(
    supervisor: int, work: Callable[[int, int], object], pipes: tuple[int, int]
) -> NoReturn:
    """Work until the supervisor is gone, end what it left, and end as it did."""
    try:
        os.setsid()
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        linux.set_name(_GUARD_NAME)
        hold_list()
        leave_streams(0, 1, 2)
        with suppress(Exception):  # what keeps the guard from this work must not end its watch
            _kept = work(*pipes)
        _close(*pipes)
        status = os.waitpid(supervisor, 0)[1]
        end_children()
        if os.WIFSIGNALED(status):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(os.waitstatus_to_exitcode(status))
    finally:
        os._exit(EXIT_FAILED)
