"""All checks of the machine, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.errors import SbtraceError
from tracer.host import kernel, rights, software, storage
from tracer.host.records import Check, HostReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def probe(
    database: Path,
    check_writable: Callable[[Path], None],
    count_on_trial: Callable[[], str] | None = None,
) -> HostReport:
    """Look at the machine; nothing is changed but for the database's folder, if it is missing.

    ``check_writable`` raises SbtraceError if runs cannot be recorded in ``database``.
    ``count_on_trial`` counts a command by what a run counts it with, and says how many calls
    those were; it raises SbtraceError where a run has no full figures. It alone decides, and
    the rest is there to say why. None leaves it out.
    """
    checks = [*rights.checks(), *kernel.checks(), *software.checks()]
    if count_on_trial is not None:
        checks.append(_counting(count_on_trial))
    return HostReport((*checks, *storage.checks(database, check_writable)))


def _counting(count_on_trial: Callable[[], str]) -> Check:
    try:
        found = count_on_trial()
    except SbtraceError as error:
        return Check("counting", False, "required", str(error))  # it says its own remedy
    return Check("counting", True, "required", found)
