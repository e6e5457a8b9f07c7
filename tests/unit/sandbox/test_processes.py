"""The bound on processes: by a cgroup where one can be made, else by the user's own limit."""

from __future__ import annotations

import os
import resource
import threading
from typing import TYPE_CHECKING

import pytest

from tracer.errors import SandboxError
from tracer.sandbox import processes
from tracer.sandbox.cgroup import PidsCgroup
from tracer.sandbox.processes import ProcessBound, tasks_of
from tracer.sandbox.user import TargetUser

if TYPE_CHECKING:
    from pathlib import Path

ROOT = TargetUser(0, 0, (0,), "root", "/root", changes=False)
OTHER = TargetUser(65534, 65534, (65534,), "nobody", "/", changes=True)
N = 23


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for a cgroup."""
    made = tmp_path / "group"
    made.mkdir()
    lock = os.open(made, os.O_RDONLY)
    monkeypatch.setattr(processes, "_cgroup", lambda _limit: PidsCgroup(made, lock))
    return made


@pytest.mark.parametrize("user", [ROOT, OTHER])
def test_with_a_cgroup_nothing_else_is_needed(group: Path, user: TargetUser) -> None:
    bound = ProcessBound(N, user)
    assert bound.rlimits == ()
    bound.enrol(4711)
    assert (group / "cgroup.procs").read_text() == "4711"
    assert bound.refusals() is None
    (group / "pids.events").write_text("other 5\nmax 7\n")
    assert bound.refusals() == 7
    for name in ("cgroup.procs", "pids.events"):
        (group / name).unlink()  # as those of a real one go with it
    bound.close()
    assert not group.exists()


def test_a_cgroup_that_takes_nobody_is_an_error_with_its_name(group: Path) -> None:
    bound = ProcessBound(N, ROOT)
    (group / "cgroup.procs").mkdir()
    with pytest.raises(SandboxError, match=r"group: cannot take the target in: Is a directory"):
        bound.enrol(4711)


def test_without_one_the_users_own_limit_leaves_room_for_what_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "_cgroup", lambda _limit: None)
    monkeypatch.setattr(processes, "tasks_of", lambda uid: {65534: 5}[uid])
    bound = ProcessBound(N, OTHER)
    assert bound.rlimits == ((resource.RLIMIT_NPROC, N + 5),)
    assert bound.refusals() is None
    bound.enrol(os.getpid())
    bound.close()


@pytest.mark.parametrize("passes", [True, False])
def test_root_of_the_machine_has_no_limit_of_its_own_to_be_bounded_by(
    monkeypatch: pytest.MonkeyPatch, passes: bool
) -> None:
    monkeypatch.setattr(processes, "_cgroup", lambda _limit: None)
    monkeypatch.setattr(processes, "_passes_limits", lambda: passes)
    if passes:
        with pytest.raises(SandboxError, match=f"processes = {N}: root is bounded by a"):
            ProcessBound(N, ROOT)
    else:
        assert ProcessBound(N, ROOT).rlimits[0][1] > N


def test_threads_count_as_tasks_of_their_user() -> None:
    """Of a uid that nobody else on the machine has."""
    uid, extra = 2_000_000_011, 3
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setresuid(uid, uid, uid)
        hold = threading.Event()
        for _ in range(extra):
            threading.Thread(target=hold.wait, daemon=True).start()
        os.write(writer, b"x")
        hold.wait()
    os.read(reader, 1)
    try:
        assert tasks_of(uid) == 1 + extra
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(reader)
        os.close(writer)
    assert tasks_of(uid) == 0
