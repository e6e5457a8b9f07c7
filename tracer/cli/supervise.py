"""What the supervisor of ``sbtrace run`` does, while and after the front reads the command line."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tracer.cli import failure
from tracer.cli.order import Order
from tracer.errors import EXIT_FAILED, InexactRun, SbtraceError
from tracer.session.processes.cancellation import cancellable
from tracer.session.processes.crash import own_limits, say_lowered_limits
from tracer.session.processes.guard import leave
from tracer.store.loader import Loader

if TYPE_CHECKING:
    from tracer.cli.checking import Checking
    from tracer.model import RunRecord
    from tracer.report.delivery import Delivery
    from tracer.session.processes.guard import Guard
    from tracer.session.run import Finished

_SCARCE = (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN)
"""What no fault of sbtrace's own says, but how little it was given."""


def supervise(guard: Guard) -> NoReturn:
    """Run what the front hands over, and end with the exit status for it."""
    before = own_limits()
    try:
        status = _run(guard)
    except SbtraceError as error:
        if not say_lowered_limits(before):  # a low limit explains the error better
            failure.say(error)
        status = error.exit_status
    except OSError as error:
        if error.errno not in _SCARCE:
            raise
        if not say_lowered_limits(before):
            failure.say(f"cannot go on: {error.strerror}: look at the limits (ulimit -a)")
        status = EXIT_FAILED
    leave(status)


def _run(guard: Guard) -> int:
    with cancellable(guard):
        # Imported before anybody knows what is wanted: that takes as long as to import Typer.
        from tracer.report.delivery import Delivery
        from tracer.report.live import LiveLine
        from tracer.session.request import Request, plan
        from tracer.session.run import run

        order = _order(guard)
        if order is None:
            return EXIT_FAILED
        planned = plan(Request(**order.request))
        checking = _checking(order, planned.database)
        output = None if order.output is None else Path(order.output)
        delivery = Delivery.open(
            output,
            planned.database,
            as_json=order.json,
            quiet=order.quiet,
            verdict=order.verdict,
        )
    loader = Loader(guard.tasks_fd, guard.answers_fd)
    finished = run(planned, LiveLine(sys.stderr, quiet=order.quiet), guard, loader)
    if checking:
        return _checked(checking, delivery, finished)
    _deliver(delivery, finished, wants_all=order.json and not order.verdict)
    if order.require_exact and not finished.record.run.exact:
        raise InexactRun(finished.record.run.run_id)
    return _verdict(finished.record) if order.verdict else finished.exit_status


def _deliver(delivery: Delivery, finished: Finished, *, wants_all: bool) -> None:
    """Give out the summary, while the run goes into the database if it need not come from there."""
    if wants_all and finished.whole is not None:
        troubles = finished.settle()
        delivery.write(finished.whole())
    else:
        delivery.write(finished.record)
        troubles = finished.settle()
    delivery.tell([*finished.unprotected, *troubles])


def _checked(checking: Checking, delivery: Delivery, finished: Finished) -> int:
    """Say what is beyond the baseline, which the database knows more of, and keep it."""
    delivery.tell([*finished.unprotected, *finished.settle()])
    found = checking.find(finished.record, finished.exit_status)
    delivery.give(checking.text(found, delivery.page()))
    delivery.tell(checking.settle(found))
    return found.exit_status


def _checking(order: Order, database: Path) -> Checking | None:
    if order.check is None:
        return None
    from tracer.cli.checking import Checking

    path, style, update = order.check
    return Checking.open(path, style, database, update=update)


def _verdict(record: RunRecord) -> int:
    from tracer.report import verdict

    return verdict.judge(record).exit_status


def _order(guard: Guard) -> Order | None:
    """Wait for the order; None if the front is gone without having handed over all of it."""
    with os.fdopen(guard.order_fd, "rb") as pipe, suppress(ValueError):
        return Order.parse(pipe.read())
    return None
