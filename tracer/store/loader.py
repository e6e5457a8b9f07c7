"""Runs taken into the database by another process than the one that records them.

Importing DuckDB and starting it takes longer than all else of a short run and needs nothing of
it, so it is done beside the run. The two processes talk by lines of JSON over two pipes. Little
is imported before they part.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracer.store.intake import TakeInResult
    from tracer.store.set_aside import SetAside


class Loader:
    """The loader as the recording process sees it."""

    def __init__(self, tasks: int, answers: int) -> None:
        """``tasks``, ``answers``: the ends of two pipes; ``serve`` has the others."""
        self._tasks, self._answers = tasks, answers

    def get_ready(self) -> None:
        """Start DuckDB now. Otherwise the first task starts it.

        Call this once the run is certain to start. Earlier it would take a processor from the
        front, which reads the command line.
        """
        self._send("")

    def begin(self, database: Path) -> None:
        """Let ``take_in`` begin for ``database``; ``result`` waits for it."""
        self._send(json.dumps(os.fspath(database)))

    def _send(self, line: str) -> None:
        with suppress(BrokenPipeError):  # then there is no result either
            os.write(self._tasks, line.encode() + b"\n")

    def result(self) -> TakeInResult | None:
        """Wait for what ``take_in`` returned, and name what it set aside.

        None if the loader died over it.
        """
        from tracer.store import set_aside
        from tracer.store.intake import TakeInResult, Waiting

        with open(self._answers, "rb", closefd=False) as answers:
            line = answers.readline()
        if not line.endswith(b"\n"):
            return None
        told = json.loads(line)
        set_aside.tell(set_aside.SetAside(Path(path), reason) for path, reason in told["aside"])
        waiting = tuple(Waiting(run_id, Path(path), why) for run_id, path, why in told["waiting"])
        return TakeInResult(tuple(told["taken"]), waiting)


def serve(tasks: int, answers: int) -> object:
    """Start DuckDB when told to, then take in what comes, until the other process is gone.

    Returns what is to be kept until the process ends: nobody has to wait for DuckDB's own end.
    """
    with open(tasks, encoding="utf-8", closefd=False) as lines:
        first = lines.readline()
        if not first:
            return None
        from tracer.identity import as_invoking_user
        from tracer.store import database
        from tracer.store.intake import take_in

        with as_invoking_user():
            ready = database.engine()
        for line in chain([first], lines):
            if line.isspace():
                continue  # it was only to get ready
            # Once it is committed the recording process need not wait for the checkpoint.
            answer = _Answer(answers)
            path, tell = Path(json.loads(line)), answer.set_aside.extend
            answer.give(take_in(path, ready=ready, committed=answer.give, tell=tell))
    return ready


class _Answer:
    """What ``take_in`` found, told once."""

    def __init__(self, answers: int) -> None:
        self._answers, self._given = answers, False
        self.set_aside: list[SetAside] = []
        """What the other process is to name, as nobody reads the stderr of this one."""

    def give(self, result: TakeInResult) -> None:
        if self._given:
            return
        self._given = True
        waiting = [(item.run_id, os.fspath(item.folder), item.reason) for item in result.waiting]
        aside = [(os.fspath(item.path), item.reason) for item in self.set_aside]
        told = json.dumps({"taken": result.taken, "waiting": waiting, "aside": aside})
        os.write(self._answers, told.encode() + b"\n")
