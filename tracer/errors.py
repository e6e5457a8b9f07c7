"""The exceptions that sbtrace raises on purpose, each with the exit status it ends with.

Every message is one line that names the thing, the reason and the remedy. They are
caught in ``tracer.cli``, and printed on stderr without a traceback.
The statuses are those of env(1), timeout(1) and the shell.
"""

from __future__ import annotations

import signal

EXIT_USAGE = 2
EXIT_TIMED_OUT = 124
EXIT_FAILED = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNAL_BASE = 128


class SbtraceError(Exception):
    """sbtrace could not do what was asked; the message is one line for a person."""

    exit_status = EXIT_FAILED


class UsageError(SbtraceError):
    """The command line does not make sense."""

    exit_status = EXIT_USAGE


class ProfileError(SbtraceError):
    """A profile is missing, unreadable or wrong. Names file, rule and remedy."""


class FilterError(SbtraceError):
    """A seccomp filter in the kernel's form is wrong, or cannot be read from a process."""


class NothingToAllow(SbtraceError):
    """A profile was asked for that allows what a run was refused, and it was refused nothing."""


class NothingToLearn(SbtraceError):
    """A profile was asked for that covers runs of which no call is known."""


class UserError(SbtraceError):
    """The user given by ``--user`` does not exist or may not be taken."""


class CommandNotFound(SbtraceError):
    """The command of the target is nowhere on PATH, or its file does not exist."""

    exit_status = EXIT_NOT_FOUND


class CommandNotExecutable(SbtraceError):
    """The command of the target exists but cannot be executed."""

    exit_status = EXIT_NOT_EXECUTABLE


class SandboxError(SbtraceError):
    """A limit, a privilege or the filter could not be set; the target was not started."""


class NotStarted(SbtraceError):
    """A signal ended sbtrace before the target was let go."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"ended by {name} before the command was started: nothing was recorded")
        self.exit_status = EXIT_SIGNAL_BASE + number


class KernelError(SbtraceError):
    """eBPF is asked for (``--trace full``) and cannot be had here."""


class StoreError(SbtraceError):
    """The database cannot be opened, read or written."""


class QueryError(SbtraceError):
    """A query is unknown, lacks a parameter, is refused or fails in SQL."""


class QueryTimedOut(QueryError):
    """A query was stopped at its time limit."""

    exit_status = EXIT_TIMED_OUT


class RunNotFound(SbtraceError):
    """No recorded run, or more than one, answers to what was given."""


class InexactRun(SbtraceError):
    """``--require-exact`` was given, and a count may be too low, or nothing was counted."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id} is not exact, and --require-exact was given: the summary says why"
        )
