"""What on this machine is sbtrace's own: what root runs of it, and where it keeps runs."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tracer import resources
from tracer.identity import as_invoking_user
from tracer.store.location import default_database, fallback_roots, spool_root

if TYPE_CHECKING:
    from collections.abc import Iterator


def protected_paths(database: Path) -> Iterator[Path]:
    """Yield files and folders; some of them may be missing.

    Cache and spool are made, since only what exists can be protected. A missing database stays
    missing, and the target may make a file of its name, though not in sbtrace's default folder.
    """
    with suppress(OSError):
        resources.CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield resources.CACHE
    yield resources.package_dir()
    yield from (resources.bpf_dir(), resources.profiles_dir(), resources.queries_dir())
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix)
    with suppress(OSError), as_invoking_user():
        spool_root(database).mkdir(mode=0o700, exist_ok=True)
    yield from (spool_root(database), database, database.with_name(f"{database.name}.wal"))
    yield from (root.parent for root in fallback_roots(database))
    if database == default_database():
        yield database.parent
