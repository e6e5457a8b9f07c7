"""What a process sees mounted, from /proc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tracer.sandbox import mounts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("written", "point"),
    [
        ("/sys/fs/cgroup", "/sys/fs/cgroup"),
        (r"/mnt/a\040b", "/mnt/a b"),
        (r"/mnt/a\011b\012c", "/mnt/a\tb\nc"),
        (r"/mnt/\134040", r"/mnt/\040"),
    ],
)
def test_a_mount_point_is_found_whatever_its_name(written: str, point: str, tmp_path: Path) -> None:
    """The kernel writes space, tab, line feed and backslash as octal numbers; a mount that is
    not found by its name is not made read-only."""
    line = f"31 1 0:27 / {written} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    (tmp_path / "mountinfo").write_text(line)
    (found,) = mounts.mounted(tmp_path)
    assert (found.kind, found.root, found.point) == ("cgroup2", "/", point)
    assert found.options == ("rw", "nsdelegate")
