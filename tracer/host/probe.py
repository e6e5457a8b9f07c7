"""All checks of the machine, in order."""

from __future__ import annotations

import os
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
    load_probe: Callable[[], object] | None = None,
) -> HostReport:
    """Look at the machine; nothing is changed but for the database's folder, if it is missing.

    ``check_writable`` raises SbtraceError if runs cannot be recorded in ``database``.
    ``load_probe`` compiles and loads the real BPF program, raising SbtraceError if it cannot
    be had: half a second, and the only proof. None leaves it out.
    """
    checks = [*rights.checks(), *kernel.checks(), *software.checks()]
    if load_probe is not None:
        checks.append(_loaded(load_probe, checks))
    return HostReport((*checks, *storage.checks(database, check_writable)))


def _loaded(load_probe: Callable[[], object], before: list[Check]) -> Check:
    name = "BPF program"
    if os.geteuid() != 0:
        return Check(name, None, "required", "not tried: it takes root", "run it with sudo")
    missing = [check.name for check in before if check.level == "required" and not check.ok]
    if missing:
        found = f"not tried: {', '.join(missing)} first"
        return Check(name, None, "required", found)
    try:
        load_probe()
    except SbtraceError as error:
        return Check(name, False, "required", str(error), "report it, with all of this")
    return Check(name, True, "required", "compiles and loads (tried)")
