"""Runs that go on now: read from their spools, which is no trouble to them."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tracer.errors import StoreError
from tracer.identity import as_invoking_user
from tracer.store.location import fallback_roots, spool_root
from tracer.store.spool import folder, spool, waiting

if TYPE_CHECKING:
    from pathlib import Path


_KINDS = {
    "run_id": str,
    "started_at": str,
    "argv": list,
    "executable": str,
    "profile": str,
    "tags": dict,
    "total_syscalls": int | None,
    "blocked_syscalls": int | None,
}
"""Field -> its type, of what ``tracer.query.runs`` lists."""


def heads(database: Path) -> list[dict[str, Any]]:
    """Return the row of ``runs`` of each run of a living sbtrace, as its spool has it.

    That is as the database would have it, with ``started_at`` as text in ISO 8601. What cannot
    be read is left out: it may end at any moment.
    """
    found: list[dict[str, Any]] = []
    with as_invoking_user() as user:
        for root in (spool_root(database), *fallback_roots(database, user)):
            with (
                suppress(OSError, StoreError),
                folder.opened(folder.open_private(root, user, make=False)) as at,
            ):
                found += [head for name in waiting.living(at) if (head := _head(name, at))]
    return found


def _head(name: str, at: int) -> dict[str, Any] | None:
    with (
        suppress(OSError, ValueError, KeyError, TypeError),
        folder.opened(folder.open_subfolder(name, at)) as inner,
    ):
        head = json.loads(folder.read_file(spool.RUN, inner))
        return None if head["finished"] else _whole(dict(head["run"]))
    return None


def _whole(run: dict[str, Any]) -> dict[str, Any] | None:
    """Return ``run`` if every field that a list shows is of its kind, else None.

    Raises KeyError for one that is missing and ValueError for no date.
    """
    for name, kind in _KINDS.items():
        if not isinstance(run[name], kind):
            return None
    if datetime.fromisoformat(run["started_at"]).tzinfo is None:
        return None
    return run
