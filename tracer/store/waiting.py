"""Which spool folders wait to be taken in: finished ones, and those whose sbtrace is dead."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.errors import StoreError
from tracer.store import folder, spool
from tracer.store.location import fallback_roots, spool_root
from tracer.store.locks import try_flock

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from tracer.identity import Identity

_RUN_ID = re.compile(r"[0-9a-f]{12}")
_STALE_S = 600.0  # no spool takes as long as this to make or to remove


class Claimed(NamedTuple):
    """A spool folder that is ours to take in, until its lock is closed."""

    run_id: str
    root: int
    """Descriptor of the folder that holds it."""
    inner: int
    """Descriptor of the folder itself."""
    head: dict[str, Any]
    """``run.json``."""


class Found(NamedTuple):
    """A spool folder that nobody alive writes to."""

    run_id: str
    path: Path
    user: Identity

    def claim(self, stack: ExitStack) -> Claimed | None:
        """Take the folder for as long as ``stack`` lasts; None if it is gone or in use.

        Raises OSError or StoreError if it cannot be read.
        """
        with suppress(FileNotFoundError):
            root = stack.enter_context(
                folder.opened(folder.open_private(self.path.parent, self.user, make=False))
            )
            inner = stack.enter_context(folder.opened(folder.open_subfolder(self.run_id, root)))
            lock = stack.enter_context(folder.opened(folder.open_file(spool.LOCK, inner)))
            if try_flock(lock, fcntl.LOCK_EX):
                return Claimed(self.run_id, root, inner, _head(self.path, inner))
        return None


def abandoned(database: Path, user: Identity) -> list[Found]:
    """Return the spools for ``database`` that nobody alive writes to, finished or not."""
    found = []
    for root in (spool_root(database), *fallback_roots(database, user)):
        with (
            suppress(OSError, StoreError),
            folder.opened(folder.open_private(root, user, make=False)) as at,
        ):
            found += [
                Found(name, root / name, user)
                for name in folder.names(at)
                if _RUN_ID.fullmatch(name) and not _alive(name, at)
            ]
            _clear(at)
    return found


def living(at: int) -> list[str]:
    """Return the names of the spools in the open folder ``at`` that somebody writes to."""
    return [name for name in folder.names(at) if _RUN_ID.fullmatch(name) and _alive(name, at)]


def _alive(name: str, at: int) -> bool:
    with (
        suppress(OSError),
        folder.opened(folder.open_subfolder(name, at)) as inner,
        folder.opened(folder.open_file(spool.LOCK, inner)) as lock,
    ):
        return not try_flock(lock, fcntl.LOCK_SH)
    return False


def _clear(at: int) -> None:
    """Remove what an sbtrace left that died at its very start or while it removed a spool.

    The one holds no record yet, the record of the other is kept elsewhere.
    """
    for name in folder.names(at):
        if name.startswith((spool.BUILDING, spool.DOOMED)):
            with suppress(OSError):
                if time.time() - os.stat(name, dir_fd=at).st_mtime > _STALE_S:
                    folder.remove(name, at, name)


def _head(path: Path, inner: int) -> dict[str, Any]:
    try:
        head = json.loads(folder.read_file(spool.RUN, inner))
        known = head["format"] <= spool.FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: run.json is damaged: move the folder away") from error
    if not known:
        raise StoreError(f"{path}: written by a newer sbtrace: update sbtrace")
    return dict(head)
