"""The loader takes runs in for another process, and its death is noticed."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import database, finished
from tests.unit.store.test_take_in import Holder, recorded
from tracer.store.loader import Loader, serve
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["database"]


@contextmanager
def serving(*, early: bool = True) -> Iterator[Loader]:
    """A loader in a thread, which has to end when its tasks do."""
    tasks_in, tasks = os.pipe()
    answered, answers = os.pipe()
    thread = threading.Thread(target=serve, args=(tasks_in, answers))
    thread.start()
    try:
        loader = Loader(tasks, answered)
        if early:
            loader.get_ready()
        yield loader
    finally:
        os.close(tasks)
        thread.join(30)
        for descriptor in (tasks_in, answered, answers):
            os.close(descriptor)
    assert not thread.is_alive()


@pytest.mark.parametrize("early", [True, False])
def test_runs_are_taken_in_by_the_loader_one_after_the_other(database: Path, early: bool) -> None:
    with serving(early=early) as loader:
        for _ in range(2):
            record = a_record()
            finished(database, record)
            loader.begin(database)
            result = loader.result()
            assert result is not None
            assert result.taken == (record.run.run_id,)
            assert result.waiting == ()
            with Reader(database) as reader:
                assert reader.load(record.run.run_id).run.run_id == record.run.run_id


def test_what_is_in_the_way_comes_back_whole(database: Path) -> None:
    recorded(database)
    record = a_record()
    finished(database, record)
    with serving() as loader, Holder(database) as pid:
        loader.begin(database)
        result = loader.result()
    assert result is not None
    (waiting,) = result.waiting
    assert waiting.run_id == record.run.run_id
    assert waiting.folder.is_dir()
    assert f"in use by pid {pid} (" in waiting.reason


def test_a_dead_loader_is_no_result_and_no_error(database: Path) -> None:
    tasks_in, tasks = os.pipe()
    answered, answers = os.pipe()
    os.close(tasks_in)
    os.close(answers)
    loader = Loader(tasks, answered)
    loader.begin(database)
    assert loader.result() is None
    os.close(tasks)
    os.close(answered)
