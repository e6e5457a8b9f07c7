"""A launcher as small as it can be, for tests of filters alone: fork, filter, execve."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import TYPE_CHECKING, NoReturn

from tracer.sandbox import filter as filter_
from tracer.sandbox.prepared import PreparedFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.profile import Profile
    from tracer.sandbox.filter import CompiledFilter

PR_SET_NO_NEW_PRIVS = 38
SIGSYS = -int(signal.SIGSYS)


def run(profile: Profile, argv: Sequence[str]) -> tuple[int, str]:
    """Exit status (negative: the signal) and output, stdout and stderr together."""
    compiled = filter_.compile(profile)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(compiled, argv, writer)
    os.close(writer)
    with os.fdopen(reader, errors="replace") as pipe:
        output = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def load(compiled: CompiledFilter) -> None:
    """Put the filter on the calling thread, as the launcher does. Raises OSError."""
    if code := compiled.code():
        PreparedFilter(code)()


def _become(compiled: CompiledFilter, argv: Sequence[str], output: int) -> NoReturn:
    try:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 64)
        if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            load(compiled)
            os.execv(argv[0], argv)  # noqa: S606 - that no shell is started is the point
    finally:
        os._exit(125)
