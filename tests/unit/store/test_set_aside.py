"""A spool folder that holds no run is kept under another name, said once, and in nobody's way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import abandoned, database, finished
from tracer.query.runs import Filter, list_runs
from tracer.report.upkeep import InfoReport
from tracer.store import intake, location, maintain
from tracer.store.intake import TakeInResult, take_in
from tracer.store.reader import Reader
from tracer.store.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["database"]

LEFTOVERS = 50
EVERY_RUN = Filter(None, None, None, {}, None, 20)


def without(*keys: str) -> Callable[[Path], None]:
    """What takes a field out of run.json."""

    def damage(folder: Path) -> None:
        head = json.loads((folder / "run.json").read_text())
        inner = head
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]
        (folder / "run.json").write_text(json.dumps(head))

    return damage


def having(**fields: Any) -> Callable[[Path], None]:
    """What puts other values into run.json."""

    def damage(folder: Path) -> None:
        head = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(head | fields))

    return damage


def no_lock(folder: Path) -> None:
    (folder / "lock").unlink()


def no_head(folder: Path) -> None:
    (folder / "run.json").unlink()


def half_a_head(folder: Path) -> None:
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text[: len(text) // 2])


def a_fifo(folder: Path) -> None:
    (folder / "run.json").unlink()
    os.mkfifo(folder / "run.json")


def a_linked_lock(folder: Path) -> None:
    (folder / "lock").rename(folder / "real")
    (folder / "lock").symlink_to("real")


def no_table(folder: Path) -> None:
    (folder / "processes.jsonl").unlink()


def torn_table(folder: Path) -> None:
    table = folder / "syscalls.1.jsonl"
    table.write_bytes(table.read_bytes()[:-9])


DAMAGES = {
    "no lock": no_lock,
    "a link as lock": a_linked_lock,
    "no run.json": no_head,
    "half of run.json": half_a_head,
    "a FIFO as run.json": a_fifo,
    "a list": lambda folder: (folder / "run.json").write_text("[]"),
    "no table": no_table,
    "a torn table": torn_table,
    "an unknown table": having(final={"runs; DROP TABLE runs": 0}),
    "a size that is none": having(final={"processes": "all"}),
    "a run that is none": having(run=3),
    "another run's": having(run={"run_id": "0" * 12, "trace": "full"}),
} | {
    f"no {key}": without(*key.split("."))
    for key in (
        *("format", "snapshot", "final", "finished", "run"),
        *("run.run_id", "run.trace", "run.argv", "run.started_at", "run.profile"),
    )
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_holds_no_run_is_kept_aside_said_once_and_stops_no_other(
    database: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = a_record(), a_record()
    abandoned(database, bad)
    finished(database, good)
    root = location.spool_root(database)
    damage(root / bad.run.run_id)
    kept = sorted(path.name for path in (root / bad.run.run_id).iterdir())
    assert take_in(database) == TakeInResult(taken=(good.run.run_id,))
    aside = root / f"unreadable-{bad.run.run_id}"
    assert sorted(path.name for path in aside.iterdir()) == kept
    assert not (root / bad.run.run_id).exists()
    told = capsys.readouterr().err
    assert told.startswith(f"sbtrace: 1 folder holds no run that can be read in {root}: ")
    assert told.endswith(
        f"set aside as {aside.name}: mend it, give it its old name back, or remove it\n"
    )
    with Reader(database) as reader:
        assert reader.execute("SELECT run_id FROM runs") == [(good.run.run_id,)]
    assert [row[0] for row in list_runs(database, EVERY_RUN).rows] == [good.run.run_id]
    assert capsys.readouterr().err == ""


def test_a_run_names_what_its_loader_set_aside(database: Path) -> None:
    location.check_writable(database)
    leftover = location.spool_root(database) / f"{0:012x}"
    leftover.parent.mkdir(mode=0o700)
    leftover.mkdir(mode=0o700)
    told = subprocess.run(
        [Path(sys.executable).with_name("sbtrace"), "run", "--db", database, "--", "true"],
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert told.stderr.count(f"set aside as unreadable-{leftover.name}: ") == 1


def test_what_is_mended_and_named_as_it_was_is_taken_in(database: Path) -> None:
    record = a_record()
    finished(database, record)
    folder = location.spool_root(database) / record.run.run_id
    no_lock(folder)
    take_in(database)
    aside = folder.with_name(f"unreadable-{folder.name}")
    (aside / "lock").touch()
    aside.rename(folder)
    assert take_in(database).taken == (record.run.run_id,)


def test_what_is_set_aside_replaces_nothing(database: Path) -> None:
    record = a_record()
    root = location.spool_root(database)
    for _ in range(3):
        finished(database, record)
        no_lock(root / record.run.run_id)
        assert take_in(database) == TakeInResult()
    name = f"unreadable-{record.run.run_id}"
    assert {path.name for path in root.glob("unreadable-*")} == {name, f"{name}.2", f"{name}.3"}


def test_many_leftovers_are_one_line_and_later_verbs_do_not_open_the_database_for_them(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    location.check_writable(database)
    root = location.spool_root(database)
    root.mkdir(mode=0o700)
    for number in range(LEFTOVERS):
        (root / f"{number:012x}").mkdir(mode=0o700)

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(intake, "open_writer", never)
    assert take_in(database) == TakeInResult()
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{LEFTOVERS} folders hold no run that can be read" in line
    assert f"unreadable-{0:012x} and {LEFTOVERS - 1} more" in line
    monkeypatch.setattr(intake.locks, "exclusive", never)
    assert take_in(database) == TakeInResult()


def test_a_run_of_a_newer_sbtrace_waits_where_it_is(database: Path) -> None:
    record = a_record()
    finished(database, record)
    folder = location.spool_root(database) / record.run.run_id
    having(format=99)(folder)
    (waiting,) = take_in(database).waiting
    assert (waiting.folder, folder.is_dir()) == (folder, True)
    assert "written by a newer sbtrace: update sbtrace" in waiting.reason


def test_a_disk_that_fails_for_now_sets_nothing_aside(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_record()
    finished(database, record)

    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("tracer.store.spool.folder.read_file", fails)
        (waiting,) = take_in(database).waiting
        assert "Input/output error" in waiting.reason
    assert take_in(database).taken == (record.run.run_id,)


LIVING = [f"no {key}" for key in ("finished", "run", "run.started_at", "run.profile", "run.argv")]


@pytest.mark.parametrize(
    "damage",
    [
        *(DAMAGES[name] for name in LIVING),
        *(without("run", key) for key in ("tags", "executable", "total_syscalls")),
        lambda folder: having(run={**_run(folder), "started_at": "2026-01-01T00:00:00"})(folder),
        lambda folder: having(run={**_run(folder), "argv": None})(folder),
        half_a_head,
    ],
)
def test_a_living_run_whose_run_json_lacks_something_stops_no_list(
    database: Path, damage: Callable[[Path], None]
) -> None:
    good = a_record()
    finished(database, good)
    take_in(database)
    spool = Spool.create(database, a_record().run._replace(outcome="running"))
    whole = Spool.create(database, a_record().run._replace(outcome="running"))
    damage(spool.folder)
    listed = {row[0] for row in list_runs(database, EVERY_RUN).rows}
    assert listed == {good.run.run_id, whole.folder.name}
    assert spool.folder.is_dir()
    for left in (spool, whole):
        left.finish(a_record())


def _run(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text())["run"])


def test_what_is_set_aside_is_listed_by_db_info_until_it_is_gone(database: Path) -> None:
    finished(database, a_record())
    assert maintain.info(database).set_aside == ()
    bad = a_record()
    abandoned(database, bad)
    root = location.spool_root(database)
    (root / bad.run.run_id / "run.json").unlink()
    aside = root / f"unreadable-{bad.run.run_id}"
    found = maintain.info(database)
    assert found.set_aside == (aside,)
    assert InfoReport(found).text().splitlines()[-2:] == [f"{'set aside':<16}1", f"{'':<16}{aside}"]
    assert InfoReport(found).data()["set_aside"] == [str(aside)]
    shutil.rmtree(aside)
    assert "set aside" not in InfoReport(maintain.info(database)).text()
