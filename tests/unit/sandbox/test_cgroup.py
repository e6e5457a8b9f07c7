"""Where a cgroup for a target can be made, in either version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.sandbox import cgroup

if TYPE_CHECKING:
    from pathlib import Path


def proc(folder: Path, memberships: str, mounts: list[tuple[str, str, Path, str]]) -> Path:
    found = folder / "proc"
    found.mkdir()
    (found / "cgroup").write_text(memberships)
    lines = [
        f"31 23 0:28 {root} {point} rw,relatime shared:9 - {kind} none {options}\n"
        for kind, root, point, options in mounts
    ]
    (found / "mountinfo").write_text("".join(lines))
    return found


def test_version_1_has_a_hierarchy_for_the_pids_controller(tmp_path: Path) -> None:
    own = tmp_path / "pids" / "user"
    own.mkdir(parents=True)
    mounts = [
        ("cgroup", "/", tmp_path / "cpu", "rw,cpu"),
        ("cgroup", "/", tmp_path / "pids", "rw,pids"),
    ]
    where = proc(tmp_path, "8:pids:/user\n4:memory:/x\n0::/\n", mounts)
    assert cgroup.find_parent(where) == own


def test_a_mount_may_show_a_part_of_the_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "pids" / "b").mkdir(parents=True)
    mounts = [("cgroup", "/a", tmp_path / "pids", "rw,pids")]
    where = proc(tmp_path, "8:pids:/a/b\n", mounts)
    assert cgroup.find_parent(where) == tmp_path / "pids" / "b"


def test_version_2_takes_the_nearest_group_that_hands_the_controller_down(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    scope = root / "user.slice" / "session.scope"
    scope.mkdir(parents=True)
    (root / "cgroup.subtree_control").write_text("cpu pids\n")
    (root / "user.slice" / "cgroup.subtree_control").write_text("memory pids\n")
    (scope / "cgroup.subtree_control").write_text("\n")
    mounts = [("cgroup2", "/", root, "rw")]
    where = proc(tmp_path, "0::/user.slice/session.scope\n", mounts)
    assert cgroup.find_parent(where) == root / "user.slice"


def test_no_hierarchy_is_no_place(tmp_path: Path) -> None:
    assert cgroup.find_parent(proc(tmp_path, "0::/\n", [])) is None
