"""The entry point: what has to be done before even Typer is imported."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from tracer.cli import stdout
from tracer.errors import EXIT_FAILED, EXIT_SIGNAL_BASE, SbtraceError

if TYPE_CHECKING:
    from tracer.session.processes.front import Front


def main() -> None:
    """Run the command line; the console script's entry point."""
    closed = open_standard_descriptors()
    stdout.install(closed=1 in closed)
    front = None
    try:
        if "SUDO_UID" in os.environ:
            from tracer.cli.reach import require_reach

            require_reach()
        front = split() if sys.argv[1:2] == ["run"] else None
        from tracer.cli import app

        status = app.main(sys.argv[1:], app.Invocation(closed, front))
    except SbtraceError as error:
        from tracer.cli import failure

        failure.say(error)
        status = error.exit_status
    except MemoryError:
        from tracer.cli import failure

        failure.say("out of memory: look at the limit on it (ulimit -v)")
        status = EXIT_FAILED
    except KeyboardInterrupt:  # while all this is imported; later Typer sees to it
        status = EXIT_SIGNAL_BASE + signal.SIGINT
    finally:
        if front is not None:
            front.dismiss()
    sys.exit(status)


def open_standard_descriptors() -> tuple[int, ...]:
    """Fill a closed descriptor 0, 1 or 2 with /dev/null; return which ones were closed.

    Otherwise the next file opened here would take its number, and be the target's stdin.
    """
    closed = []
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.append(number)
            os.open(os.devnull, os.O_RDWR)
    return tuple(closed)


def split() -> Front:
    """Start the processes of a run. While this one reads the command line they get ready:
    each of the three imports something that the others do not need."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # importlib may swallow a KeyboardInterrupt. A run holds every signal from here on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # modules are no garbage; where it may take long, the supervisor enables it
    from tracer.cli.supervise import supervise
    from tracer.session.processes import guard
    from tracer.store.loader import serve

    return guard.split(supervise, serve)


if __name__ == "__main__":
    main()
