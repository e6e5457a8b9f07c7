"""Which runs a verb over several of them means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.query.runs import Filter, parse_since, parse_tags

if TYPE_CHECKING:
    from collections.abc import Sequence


def runs(
    refs: Sequence[str], command: str | None, tags: Sequence[str], since: str | None
) -> tuple[Sequence[str], Filter | None]:
    """Those named, and the filter for others; the last run where nothing is given.

    Raises UsageError.
    """
    if command is None and not tags and since is None:
        return refs or ("last",), None
    instant = parse_since(since) if since is not None else None
    return refs, Filter(command=command, tags=parse_tags(list(tags)), since=instant)
