"""Which spool folders wait to be taken in: finished ones, and those whose sbtrace is dead."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer.errors import StoreError
from tracer.store.location import fallback_roots, spool_root
from tracer.store.locks import try_flock
from tracer.store.spool import folder, spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from tracer.identity import Identity

_RUN_ID = re.compile(r"[0-9a-f]{12}")
_STALE_S = 600.0  # no spool takes as long as this to make or to remove


LASTING = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENXIO,
    errno.EACCES,
    errno.EPERM,
}
"""What is wrong with the folder itself: not with the disk or with this process for now."""


class Unreadable(StoreError):
    """A spool folder that holds no run, and never will unless somebody mends it."""


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

        Raises Unreadable if it never can be taken in, else OSError or StoreError.
        """
        with suppress(FileNotFoundError):
            root = stack.enter_context(folder.opened(self.open_root()))
            os.stat(self.run_id, dir_fd=root, follow_symlinks=False)
            return self._claim(stack, root)
        return None

    def open_root(self) -> int:
        """Open the folder that holds it. Raises OSError or StoreError."""
        return folder.open_private(self.path.parent, self.user, make=False)

    def _claim(self, stack: ExitStack, root: int) -> Claimed | None:
        with _lasting("it cannot be opened"):
            inner = stack.enter_context(folder.opened(folder.open_subfolder(self.run_id, root)))
        with _lasting("its lock cannot be opened"):
            lock = stack.enter_context(folder.opened(folder.open_file(spool.LOCK, inner)))
        if not try_flock(lock, fcntl.LOCK_EX):
            return None
        with _lasting("its run.json cannot be read"):
            text = folder.read_file(spool.RUN, inner)
        return Claimed(self.run_id, root, inner, _head(self.run_id, self.path, text))


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


@contextmanager
def _lasting(what: str) -> Iterator[None]:
    """Turn an OSError within the block that will not pass by itself into Unreadable."""
    try:
        yield
    except OSError as error:
        if error.errno not in LASTING:
            raise
        raise Unreadable(f"{what}: {error.strerror}") from error


def _head(run_id: str, path: Path, text: bytes) -> dict[str, Any]:
    """Return what ``run.json`` says, with every field that ``load`` looks at."""
    try:
        head = json.loads(text)
        if head["format"] > spool.FORMAT:
            raise StoreError(f"{path}: written by a newer sbtrace: update sbtrace")
        if not _is_whole(head, run_id):
            raise Unreadable("its run.json has not what a run needs")
    except (AttributeError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable("its run.json is damaged") from error
    return dict(head)


def _is_whole(head: dict[str, Any], run_id: str) -> bool:
    """Whether each field is there and of its kind. Raises KeyError and TypeError for some."""
    run, final = head["run"], head["final"]
    return (
        isinstance(head["finished"], bool)
        and isinstance(head["snapshot"], int)
        and isinstance(run["trace"], str)
        and run["run_id"] == run_id
        and final.keys() <= spool.FINAL.keys()
        and all(isinstance(size, int) for size in final.values())
    )
