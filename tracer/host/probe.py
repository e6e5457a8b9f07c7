"""All checks of the machine, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.errors import SbtraceError
from tracer.host import kernel, rights, software, storage
from tracer.host.records import Check, HostReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def probe(
    database: Path,
    check_writable: Callable[[Path], None],
    count_on_trial: Callable[[], str] | None = None,
    unprotected_on_trial: Callable[[Path], Sequence[str]] | None = None,
) -> HostReport:
    """Look at the machine. It makes the folder of the database if that is missing, and no more.

    ``check_writable`` raises SbtraceError if runs cannot be recorded in ``database``.
    ``count_on_trial`` counts a command by what a run counts it with, and says how many calls
    those were; it raises SbtraceError where a run has no full figures. It alone decides, and
    the rest is there to say why. ``unprotected_on_trial`` starts a command as under a profile
    that filters, and says what it is not kept from, each in words that end with a remedy.
    None leaves either out.
    """
    checks = [*rights.checks(), *kernel.checks(), *software.checks()]
    if count_on_trial is not None:
        checks.append(_counting(count_on_trial))
    if unprotected_on_trial is not None:
        checks += _protection(database, unprotected_on_trial)
    return HostReport((*checks, *storage.checks(database, check_writable)))


def _counting(count_on_trial: Callable[[], str]) -> Check:
    try:
        found = count_on_trial()
    except SbtraceError as error:
        return Check("counting", False, "required", str(error))  # it says its own remedy
    return Check("counting", True, "required", found)


def _protection(database: Path, on_trial: Callable[[Path], Sequence[str]]) -> list[Check]:
    try:
        lacks = on_trial(database)
    except SbtraceError as error:
        return [Check("protection", False, "wanted", str(error))]
    if not lacks:
        return [Check("protection", True, "wanted", "a target is kept to its own (tried)")]
    each = [text.rpartition(": ") for text in lacks]
    return [Check("protection", False, "wanted", found, remedy) for found, _, remedy in each]
