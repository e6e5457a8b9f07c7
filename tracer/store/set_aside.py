"""Spool folders that hold no run that can be read: kept, under a name that no verb looks at."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import ExitStack, suppress
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from tracer.errors import StoreError
from tracer.store.location import fallback_roots, spool_root
from tracer.store.spool import folder
from tracer.store.spool.waiting import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tracer.identity import Identity
    from tracer.store.spool.waiting import Found

PREFIX = "unreadable-"
"""What is set aside gets this before its name, within the spool."""


class SetAside(NamedTuple):
    """A folder that is not looked at any more."""

    path: Path
    """Where it is now."""
    reason: str


def sift(found: Iterable[Found]) -> tuple[list[Found], list[SetAside]]:
    """Set aside what can never be taken in; return the others, and what is aside now.

    Call it within ``locks.exclusive`` only, so that nobody removes what is looked at.
    """
    good: list[Found] = []
    aside: list[SetAside] = []
    for item in found:
        try:
            with ExitStack() as stack:
                item.claim(stack)
            good.append(item)
        except Unreadable as error:
            aside += _tried(item, str(error), good)
        except (OSError, StoreError):
            good.append(item)  # whoever takes it in says what is in the way for now
    return good, aside


def _tried(item: Found, reason: str, good: list[Found]) -> list[SetAside]:
    try:
        return [set_aside(item, reason)]
    except FileNotFoundError:
        return []
    except (OSError, StoreError):
        good.append(item)  # a spool that cannot be written: it is said to wait
        return []


def set_aside(item: Found, reason: str) -> SetAside:
    """Rename the folder of ``item``, and return where it is. Raises OSError and StoreError."""
    with folder.opened(item.open_root()) as root:
        name = _free(PREFIX + item.run_id, root)
        os.rename(item.run_id, name, src_dir_fd=root, dst_dir_fd=root)
    return SetAside(item.path.with_name(name), reason)


def _free(name: str, at: int) -> str:
    """Return ``name``, or with a number after it, as nothing in the folder ``at`` is called."""
    for number in count(2):
        try:
            os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return name
        name = f"{name.partition('.')[0]}.{number}"
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def kept(database: Path, user: Identity) -> tuple[Path, ...]:
    """Return the folders that were set aside for ``database`` and are still there."""
    found: list[Path] = []
    for root in (spool_root(database), *fallback_roots(database, user)):
        with (
            suppress(OSError, StoreError),
            folder.opened(folder.open_private(root, user, make=False)) as at,
        ):
            found += [root / name for name in folder.names(at) if name.startswith(PREFIX)]
    return tuple(found)


def tell(aside: Iterable[SetAside]) -> None:
    """Say on stderr what was set aside: now, for no later verb will meet it."""
    alike: dict[tuple[Path, str], list[str]] = {}
    for item in aside:
        alike.setdefault((item.path.parent, item.reason), []).append(item.path.name)
    for (parent, reason), names in alike.items():
        with suppress(OSError, ValueError):  # stderr may be closed
            sys.stderr.write(_line(parent, reason, names))
            sys.stderr.flush()


def _line(parent: Path, reason: str, names: list[str]) -> str:
    place = "".join(char if char.isprintable() else "?" for char in str(parent))
    many = len(names) > 1
    more = f" and {len(names) - 1} more" if many else ""
    held = "folders hold" if many else "folder holds"
    remedy = "mend one, give it its old name back" if many else "mend it, give it its old name back"
    return (
        f"sbtrace: {len(names)} {held} no run that can be read in {place}: {reason}:"
        f" set aside as {names[0]}{more}: {remedy}, or remove it\n"
    )
