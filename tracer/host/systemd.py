"""systemd's own weights for groups of calls, as systemd-analyze gives them for a unit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATH = "/usr/bin:/bin:/usr/local/bin"
_PATIENCE_S = 30
_UNIT = "[Service]\nExecStart=/bin/true\nSystemCallFilter={}\n"


class Weight(NamedTuple):
    """What systemd says of one group."""

    group: str
    """``@clock``."""
    exposure: float
    """Of 10 that a unit can have; 0 if no call of the group is open."""
    because: str
    """A call that is; empty if none is."""


def weights(allowed: Iterable[str]) -> tuple[Weight, ...] | None:
    """systemd's verdict about an allow-list, group by group; None if it cannot be had here.

    systemd asks whether any call of a group is allowed, and knows no arguments.
    """
    tool = shutil.which("systemd-analyze", path=_PATH)
    if tool is None:
        return None
    with tempfile.TemporaryDirectory(prefix="sbtrace-") as folder:
        unit = Path(folder) / "scored.service"
        unit.write_text(_UNIT.format(" ".join(sorted(allowed)) or "none-is-allowed"))
        command = [tool, "security", "--offline=true", "--json=short", str(unit)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
            return tuple(_weights(json.loads(done.stdout)))
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
            return None


def _weights(rows: list[dict[str, str | None]]) -> Iterable[Weight]:
    for row in rows:
        name = row["name"] or ""
        if name.startswith("SystemCallFilter=~@"):
            because = re.search(r"e\.g\. (\w+) is allowed", row["description"] or "")
            exposure = float(row["exposure"] or 0)
            yield Weight(name.partition("~")[2], exposure, because[1] if because else "")
