"""The parts of a session that need no kernel: who gets a signal, what limit was met, where a
cgroup can be made, and that the documents name tests that exist."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT
from tracer.errors import CommandNotExecutable, CommandNotFound, UserError
from tracer.profile import Limits
from tracer.sandbox import cgroup
from tracer.sandbox.command import resolve_command
from tracer.sandbox.user import target_user
from tracer.session.limits import limit_hit
from tracer.session.signals import Relay

if TYPE_CHECKING:
    from pathlib import Path

TERM = int(signal.SIGTERM)


def test_a_signal_to_the_front_alone_is_passed_on_at_once() -> None:
    assert Relay(in_front=True).take(own=[], front=[TERM], now=0.0) == [TERM]


def test_a_signal_to_the_group_is_not_passed_on() -> None:
    relay = Relay(in_front=True)
    assert relay.take(own=[TERM], front=[TERM], now=0.0) == []
    assert relay.take(own=[], front=[], now=9.0) == []
    assert relay.wait_s is None


def test_a_signal_to_the_group_may_show_in_the_supervisor_first() -> None:
    relay = Relay(in_front=True)
    assert relay.take(own=[TERM], front=[], now=0.0) == []
    assert relay.take(own=[], front=[TERM], now=0.01) == []
    assert relay.take(own=[], front=[], now=9.0) == []


def test_a_signal_to_the_supervisor_alone_is_passed_on_when_that_is_certain() -> None:
    relay = Relay(in_front=True)
    assert relay.take(own=[TERM], front=[], now=0.0) == []
    assert relay.take(own=[], front=[], now=0.06) == [TERM]
    assert relay.take(own=[], front=[], now=9.0) == []


def test_without_a_front_every_signal_is_passed_on() -> None:
    assert Relay(in_front=False).take(own=[TERM], front=[], now=0.0) == [TERM]


def hit(limits: Limits, *signals: int, **more: int | None) -> str | None:
    return limit_hit(limits, signals, (), 0, more.get("refused"), out_of_time=False)


def test_limits_are_told_from_signals_and_from_refused_forks() -> None:
    assert "cpu_seconds = 3" in (hit(Limits(cpu_seconds=3), signal.SIGXCPU) or "")
    assert "file_size" in (hit(Limits(file_size_bytes=9), signal.SIGXFSZ) or "")
    assert "refused once" in (hit(Limits(processes=4), refused=1) or "")
    assert "refused 7 times" in (hit(Limits(processes=4), refused=7) or "")


def test_no_limit_is_told_without_a_trace_of_one() -> None:
    assert hit(Limits(cpu_seconds=3, processes=4), signal.SIGKILL, refused=0) is None
    assert hit(Limits(), signal.SIGXCPU, refused=None) is None


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


def test_a_command_is_searched_as_execvp_does(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, mode in ((first, 0o644), (second, 0o755)):
        folder.mkdir()
        (folder / "tool").write_text("#!/bin/sh\n")
        (folder / "tool").chmod(mode)
    assert resolve_command("tool", f"{first}:{second}") == f"{second}/tool"
    with pytest.raises(CommandNotExecutable):
        resolve_command("tool", str(first))
    with pytest.raises(CommandNotFound):
        resolve_command("other", f"{first}:{second}")


@pytest.mark.parametrize("spec", ["no-such-user", "4294967295", "-1", ""])
def test_a_user_that_is_none_is_an_error(spec: str) -> None:
    with pytest.raises(UserError):
        target_user(spec)


def test_every_test_that_the_security_document_names_exists() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert named
    assert {name for name in named if f"def {name}(" not in sources} == set()
