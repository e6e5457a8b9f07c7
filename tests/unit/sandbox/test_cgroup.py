"""Where a cgroup for a target can be made, in either version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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


def test_where_nobody_hands_the_controller_down_the_own_group_begins_to(tmp_path: Path) -> None:
    """And no folder above the mount is asked."""
    root = tmp_path / "above" / "cgroup"
    own = root / "user.slice"
    own.mkdir(parents=True)
    (tmp_path / "above" / "cgroup.subtree_control").write_text("pids\n")
    for folder in (root, own):
        (folder / "cgroup.subtree_control").write_text("memory\n")
    where = proc(tmp_path, "0::/user.slice\n", [("cgroup2", "/", root, "rw")])
    assert cgroup.find_parent(where) == own
    assert (own / "cgroup.subtree_control").read_text() == "+pids"
    assert (root / "cgroup.subtree_control").read_text() == "memory\n"


def test_a_group_outside_of_every_mount_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    mounts = [("cgroup", "/a/b", tmp_path / "pids", "rw,pids")]
    assert cgroup.find_parent(proc(tmp_path, "8:pids:/a\n", mounts)) is None


def test_a_group_for_a_target_bounds_its_tasks_and_goes_when_it_is_left(tmp_path: Path) -> None:
    """A plain folder stands for the kernel's, in which pids.max is no file to be removed."""
    (tmp_path / "sbtrace-left-behind").mkdir()
    made = cgroup.make(tmp_path, 1009)
    assert list(tmp_path.iterdir()) == [made.folder]
    assert (made.folder / "pids.max").read_text() == "1009"
    made.enrol(1013)
    assert (made.folder / "cgroup.procs").read_text() == "1013"
    for file in made.folder.iterdir():
        file.unlink()
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_what_another_run_holds_is_left_alone(tmp_path: Path) -> None:
    first = cgroup.make(tmp_path, 7)
    (first.folder / "pids.max").unlink()
    second = cgroup.make(tmp_path, 7)
    assert {first.folder, second.folder} == set(tmp_path.iterdir())
    for one in (first, second):
        one.close()


def test_a_member_that_stays_leaves_the_group_to_the_next_run(tmp_path: Path) -> None:
    made = cgroup.make(tmp_path, 7)
    made.close()
    assert made.folder.is_dir()
    (made.folder / "pids.max").unlink()
    cgroup.make(tmp_path, 7)
    assert not made.folder.exists()


@pytest.mark.parametrize(
    ("events", "refused"),
    [("max 23\n", 23), ("max.imposed 5\nmax 23\n", 23), ("", None), ("max\n", None)],
)
def test_forks_that_met_the_bound_are_told_where_the_kernel_counts_them(
    tmp_path: Path, events: str, refused: int | None
) -> None:
    made = cgroup.make(tmp_path, 7)
    assert made.refusals() is None
    (made.folder / "pids.events").write_text(events)
    assert made.refusals() == refused
