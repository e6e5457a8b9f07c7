"""With which arguments the calls of one run were made, of the calls whose danger is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.profile.deciding import decisive
from tracer.query.observed import incomplete
from tracer.store.reader import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer.model import Process
    from tracer.profile.deciding import Way
    from tracer.store.reader import Reader


class Values(NamedTuple):
    """The arguments of a run's calls, refused ones aside."""

    known: frozenset[Way]
    unknown: Mapping[tuple[str, str], str]
    """ABI and name of the calls that may have been made in further ways -> why that is not
    known. What was lost on the way stands in the run's losses, not here."""


_WAYS = """
    WITH ways AS (
        SELECT process_id, image, abi, name, combination,
            list(value ORDER BY argument) AS registers
        FROM arguments
        WHERE run_id = $run_id AND combination IS NOT NULL
        GROUP BY ALL
    )
"""
_KNOWN = f"{_WAYS} SELECT DISTINCT abi, name, registers FROM ways"  # noqa: S608 - texts of ours
_MAKERS = f"""
    {_WAYS}
    SELECT w.abi, w.name, w.registers, p.comm, p.executable, p.argv, p.argv_truncated
    FROM ways AS w JOIN processes AS p USING (process_id, image)
    WHERE p.run_id = $run_id AND list_contains($names, w.name)
    GROUP BY ALL ORDER BY min(p.process_id), min(p.image) LIMIT 10000
"""  # noqa: S608 - texts of ours


def values(reader: Reader, run_id: str) -> Values:
    """What is recorded of a run. Raises StoreError."""
    known = frozenset(
        (abi, name, decisive(name, registers))
        for abi, name, registers in reader.execute(_KNOWN, {"run_id": run_id})
    )
    unknown = incomplete(reader, [run_id], lost=False)
    return Values(known, {(abi, syscalls.name(abi, nr)): why for (abi, nr), why in unknown.items()})


def makers(reader: Reader, run_id: str, names: list[str]) -> dict[Way, list[Process]]:
    """Which programs made these calls, by how they made them: the first ones first.

    The records of the programs hold only what names them. Raises StoreError.
    """
    found: dict[Way, list[Process]] = {}
    rows = reader.execute(_MAKERS, {"run_id": run_id, "names": names})
    for abi, name, registers, *process in rows:
        found.setdefault((abi, name, decisive(name, registers)), []).append(named(process))
    return found
