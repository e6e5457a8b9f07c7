"""Who belongs to a target: real processes, listed in both ways."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracer.collectors.procfs import tree
from tracer.collectors.procfs.tree import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def family() -> Iterator[tuple[int, int, int]]:
    """A child, a grandchild and a great-grandchild, all asleep."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        if grandchild == 0:
            last = os.fork()
            if last:
                os.write(writer, b"%d %d\n" % (os.getpid(), last))
        signal.pause()
        os._exit(0)
    grandchild, last = map(int, os.read(reader, 64).split())
    try:
        yield child, grandchild, last
    finally:
        for pid in (last, grandchild, child):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


@pytest.fixture(params=["children files", "psutil"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "psutil":
        monkeypatch.setattr(tree, "_MANY_THREADS", -2)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_all_descendants_are_listed_parents_first() -> None:
    with family() as pids:
        found = ProcessTree(os.getpid()).pids()
        assert [pid for pid in found if pid in pids] == list(pids)
        assert os.getpid() not in found


def test_a_child_of_any_thread_is_found() -> None:
    """The kernel keeps children by thread: proc_pid_children(5)."""
    import threading

    made: list[int] = []
    looked = threading.Event()

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        made.append(pid)
        looked.wait(30)

    thread = threading.Thread(target=fork)
    thread.start()
    while not made:
        thread.join(0.001)
    try:
        assert made[0] in ProcessTree(os.getpid()).pids()
    finally:
        looked.set()
        thread.join()
        os.kill(made[0], signal.SIGKILL)
        os.waitpid(made[0], 0)


@pytest.mark.usefixtures("way")
def test_a_top_that_is_gone_has_nobody_below_it() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert ProcessTree(pid).pids() == []


def test_without_the_files_of_children_psutil_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    below = ProcessTree(os.getpid())
    monkeypatch.setattr(below, "_has_children_files", False)
    monkeypatch.setattr(below, "_walk", lambda: pytest.fail("there are none to walk by"))
    with family() as pids:
        assert set(pids) <= set(below.pids())


@pytest.mark.usefixtures("way")
def test_a_listing_leaves_no_descriptor_open() -> None:
    below = ProcessTree(os.getpid())
    below.pids()
    before = len(list(Path("/proc/self/fd").iterdir()))
    below.pids()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
