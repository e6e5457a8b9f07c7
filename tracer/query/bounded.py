"""Work in a child process that the kernel bounds, its results as a stream.

DuckDB looks at its own limits between two vectors only. One expression over a long list, or one
function of a long string, passes them. So the kernel keeps them: RLIMIT_DATA gives the child no
more memory (RLIMIT_AS would count address space that is only reserved), and an interval timer
ends it. Both work without a thread here, whatever the child computes.
"""

from __future__ import annotations

import gc
import os
import pickle
import resource
import signal
import sys
import traceback
from contextlib import contextmanager, suppress
from os import fork
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn

from tracer.errors import QueryError, QueryTimedOut, SbtraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Send = Callable[[object], None]

END = "end"
"""Sent last: what the child does after it, such as taking DuckDB down, is of no interest."""
LONGEST_S = 10.0**9
TOO_LITTLE = "query: it needs more memory than allowed: raise --memory"
_SLACK = 64 << 20
"""Beside what is allowed: heaps that threads keep, and rows that are on their way."""
_MOST = 1 << 60
_FAULT = 70
"""Exit status of a child that failed by a fault of ours; EX_SOFTWARE of sysexits(3)."""


class Limits(NamedTuple):
    """What the child may use from when it says so."""

    memory_bytes: int
    timeout_s: float | None
    """None: no limit."""


@contextmanager
def stream(work: Callable[[Send], None], limits: Limits) -> Iterator[Iterator[object]]:
    """Run ``work`` in a child, and yield what it sends, which can be iterated once.

    The child calls ``restrict`` itself, once it is ready for what is not trusted. It ends with
    the block, whatever it does then. Iterating raises what SbtraceError the child raised,
    QueryTimedOut, QueryError where the kernel ended it, KeyboardInterrupt for Ctrl-C. To be
    called without other threads of Python's, as fork(2) asks for.
    """
    reads, writes = os.pipe()
    parent = os.getpid()
    pid = _fork()
    if pid == 0:
        os.close(reads)
        _be_child(work, writes, parent)
    os.close(writes)
    child = _Child(pid)
    try:
        with os.fdopen(reads, "rb") as results:
            yield _received(results, child, limits)
    finally:
        child.end()


def _fork() -> int:
    """Fork with what there is kept from the collector, for good in the child.

    Python's own handlers after a fork may set it off, and a dead DuckDB of the parent's has no
    threads in the child: taking it down is SIGSEGV. Raises OSError.
    """
    gc.freeze()
    pid = -1
    try:
        pid = fork()
    finally:
        if pid != 0:
            gc.unfreeze()
    return pid


class _Child:
    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status: int | None = None

    def status(self) -> int:
        """As waitpid(2) gives it, after the end."""
        if self._status is None:
            self._status = os.waitpid(self._pid, 0)[1]
        return self._status

    def end(self) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            self.status()


def _received(results: BinaryIO, child: _Child, limits: Limits) -> Iterator[object]:
    while True:
        try:
            item = pickle.load(results)  # noqa: S301 - from a child with our own rights
        except (EOFError, pickle.UnpicklingError):  # the end, or an end amid a message
            break
        if isinstance(item, SbtraceError):
            raise item
        if item == END:
            return
        yield item
    _judge(child.status(), limits)


def _judge(status: int, limits: Limits) -> None:
    """Raise what a wait status tells, unless it is that of a good end."""
    if status == 0:
        return
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM:
        raise QueryTimedOut(f"query: stopped after {limits.timeout_s:g} s: raise --timeout")
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code == _FAULT:
        raise QueryError("query: it failed in sbtrace itself: please report what is said above")
    how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    raise QueryError(f"query: it ended by {how}: raise --memory; if that does not help, report it")


def _be_child(work: Callable[[Send], None], writes: int, parent: int) -> NoReturn:
    status = _FAULT
    try:
        _follow(parent)
        with suppress(BrokenPipeError), os.fdopen(writes, "wb") as out:
            _send_all(work, out)
        status = 0
    except BaseException:  # noqa: BLE001 - a fault of ours, which the parent cannot print
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)  # nothing of the parent's is to be flushed or closed a second time


def _follow(parent: int) -> None:
    """Let Ctrl-C and the timer end this process by themselves, and the parent's end as well."""
    from tracer import linux

    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _send_all(work: Callable[[Send], None], out: BinaryIO) -> None:
    def send(item: object) -> None:
        pickle.dump(item, out, pickle.HIGHEST_PROTOCOL)
        out.flush()

    try:
        work(send)
    except SbtraceError as error:
        send(error)
    except MemoryError:
        send(QueryError(TOO_LITTLE))


@contextmanager
def telling(send: Send) -> Iterator[None]:
    """Send the end of what runs within the block, or its SbtraceError, before all is closed."""
    try:
        yield
        send(END)
    except SbtraceError as error:
        send(error)


def restrict(limits: Limits) -> None:
    """Let the kernel bound this process from now on: to so much more memory than it has."""
    restrict_memory(limits.memory_bytes)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.timeout_s is not None:
        signal.setitimer(signal.ITIMER_REAL, limits.timeout_s)


def restrict_memory(more_bytes: int) -> None:
    """Let this process have ``more_bytes`` of private memory beside what it has now."""
    most = min(_data_bytes() + more_bytes + _SLACK, _MOST)
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _data_bytes() -> int:
    """Private writable memory, as RLIMIT_DATA counts it; proc_pid_status(5)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
