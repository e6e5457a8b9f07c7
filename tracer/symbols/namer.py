"""Names for the frames of a thread that is most likely gone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracer.model import Frame
    from tracer.symbols.records import RawStack
    from tracer.symbols.resolver import Resolver

DEBUG_ROOT = "/usr/lib/debug"
_WORK = 20_000_000
"""Unwind instructions and symbols that a Namer reads at most (about 10 s of work)."""


class Namer:
    """Names frames; keeps the files and tables it has read, so use one for many stacks.

    It needs files that it may read, but no root and no living process. It holds up to 256 files
    open until it is collected itself. What does the work is imported with the
    first stack: most runs have none.
    """

    def __init__(self, *, debug_root: str | None = DEBUG_ROOT) -> None:
        """``debug_root``: where separate debug files lie; None: do not look for any."""
        self._debug_root = debug_root

    def frames(self, raw: RawStack) -> tuple[Frame, ...]:
        """The frames of a stack, innermost first, at most 64.

        Unwound by .eh_frame from the registers and the copy of the stack; where there are
        no unwind rules, along frame pointers, or as the kernel saw it. What is not known of
        a frame is None in it. Never raises for what the target wrote: the walk ends there,
        and the frames found so far are returned (none for an ABI without a register table).
        """
        from tracer.symbols.naming import name_frames

        return name_frames(raw, self._resolver)

    @cached_property
    def _resolver(self) -> Resolver:
        from tracer.symbols.resolver import Resolver
        from tracer.symbols.rules import Budget

        return Resolver(Budget(_WORK), self._debug_root)
