"""What the command line of ``run`` asks for, from the process that read it to the one that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple, Required, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


class Asked(TypedDict, total=False):
    """The fields of ``tracer.session.request.Request``, which is imported by the supervisor alone.

    What is left out is as there.
    """

    command: Required[tuple[str, ...]]
    profile: str
    database: str | None
    user: str | None
    capabilities: tuple[str, ...] | None
    timeout_s: float | None
    interval_ms: int
    trace: Literal["auto", "full", "none"]
    tags: Mapping[str, str]
    daemons: Literal["wait", "end"]
    closed: tuple[int, ...]


class Order(NamedTuple):
    """A command line of ``run`` that Typer found well-formed."""

    request: Asked
    output: str | None
    json: bool
    quiet: bool
    require_exact: bool
    verdict: bool = False
    """Whether the run is to prove a profile: a verdict in place of the summary and the status."""
    check: tuple[str, str, bool] | None = None
    """Of ``check``: the baseline, the format, and whether to accept; None for other verbs."""

    def dump(self) -> bytes:
        """Return the order as bytes for ``parse``; words that are not UTF-8 survive."""
        return json.dumps(self).encode()

    @classmethod
    def parse(cls, data: bytes) -> Order:
        """Return what was dumped. Raises ValueError if that is not the whole of it."""
        request, *others = json.loads(data)
        fields = {name: tuple(v) if isinstance(v, list) else v for name, v in request.items()}
        return cls(cast("Asked", fields), *others)
