"""Nothing recorded is lost: many writers, a full disk, a read-only one, death at any moment."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer.errors import StoreError
from tracer.store import location
from tracer.store.intake import take_in
from tracer.store.reader import Reader
from tracer.store.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITERS = 50
KILLS = 40

WRITER = """
import pathlib, sys
from tests.unit.store.records import a_record, a_sample
from tracer.store.spool.spool import Spool
from tracer.store.intake import take_in
database, forever = pathlib.Path(sys.argv[1]), sys.argv[2] == "forever"
while True:
    record = a_record()
    spool = Spool.create(database, record.run._replace(outcome="running"))
    for at_ns in range(3):
        spool.add_samples([a_sample(at_ns)])
        spool.snapshot(record)
    spool.finish(record)
    print(record.run.run_id, flush=True)  # from here on it may not get lost
    waiting = take_in(database).waiting
    for item in waiting:
        print("waiting:", item.reason, file=sys.stderr, flush=True)
    if not forever:
        break
"""


def writer(database: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, database, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "fallback").mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "fallback"))
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "state" / "sbtrace.duckdb"


def runs_seen(database: Path) -> list[int]:
    """How many runs a reader finds; nothing if none is let in, as on a slow machine."""
    try:
        with Reader(database) as reader:
            found: int = reader.execute("SELECT count(*) FROM runs")[0][0]
            return [found]
    except StoreError as error:
        assert "in use by" in str(error)  # noqa: PT017 - any other is a failure
        return []


@pytest.mark.kernel
@pytest.mark.timeout(300)
def test_fifty_runs_at_once_beside_a_reader_are_fifty_records(database: Path) -> None:
    finished(database, a_record())
    take_in(database)
    writers = [writer(database, "once") for _ in range(WRITERS)]
    seen = [1]
    while any(process.poll() is None for process in writers):
        seen += runs_seen(database)
    outcomes = [process.communicate() for process in writers]
    assert [process.returncode for process in writers] == [0] * WRITERS
    said = "".join(errors for _, errors in outcomes).splitlines()
    assert [
        line for line in said if not line.startswith("waiting: ") or "in use by" not in line
    ] == []
    assert seen == sorted(seen)
    with Reader(database) as reader:
        assert reader.execute("SELECT count(*) FROM runs") == [(1 + WRITERS,)]
        assert reader.execute("SELECT count(*) FROM samples") == [(3 + 3 * WRITERS,)]
    assert not [path for path in location.spool_root(database).iterdir() if path.is_dir()]


@pytest.mark.kernel
@pytest.mark.timeout(300)
def test_a_writer_killed_at_any_moment_loses_no_finished_run(database: Path) -> None:
    chance = random.Random(23)  # noqa: S311 - moments, not secrets
    beside = writer(database, "forever")
    promised: list[str] = []
    for _ in range(KILLS):
        process = writer(database, "forever")
        assert process.stdout is not None
        promised.append(process.stdout.readline().strip())
        time.sleep(chance.random() * 0.3)  # the moment of death is the point
        process.kill()
        promised += process.communicate()[0].split()
    beside.kill()
    promised += beside.communicate()[0].split()
    assert take_in(database).waiting == ()
    with Reader(database) as reader:
        assert reader.waiting == ()
        rows = dict(reader.execute("SELECT run_id, outcome FROM runs"))
        doubled = "SELECT run_id FROM samples GROUP BY run_id HAVING count(*) > 3"
        assert reader.execute(doubled) == []
        whole = "SELECT run_id FROM syscalls GROUP BY run_id HAVING count(*) <> 2"
        assert reader.execute(whole) == []
    assert set(filter(None, promised)) <= rows.keys()
    assert {rows[run_id] for run_id in filter(None, promised)} == {"exited"}
    assert set(rows.values()) <= {"exited", "interrupted"}


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[None]:
    folder.mkdir(mode=0o700, exist_ok=True)
    size = f"size={kibibytes}k,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


@pytest.mark.kernel
def test_a_disk_that_fills_up_during_a_run_loses_nothing(tmp_path: Path, database: Path) -> None:
    with small_disk(database.parent, 8192):
        earlier = a_record()
        finished(database, earlier)
        take_in(database)
        record = a_record(samples=2000)
        spool = Spool.create(database, record.run)
        spool.add_samples(record.samples[:1000])
        fill(database.parent)
        spool.add_samples(record.samples[1000:])
        spool.finish(record)
        assert "No space left" in str(spool.trouble)
        assert str(spool.folder).startswith(str(tmp_path / "fallback"))
        waiting = take_in(database).waiting
        with Reader(database) as reader:
            assert reader.load(earlier.run.run_id) == earlier
        (database.parent / "ballast").unlink()
        if waiting:
            assert waiting[0].folder == spool.folder
            assert take_in(database).taken == (record.run.run_id,)
        with Reader(database) as reader:
            assert reader.load(record.run.run_id) == record


@pytest.mark.kernel
@pytest.mark.parametrize("kibibytes", [256, 512, 768])
def test_a_first_database_for_which_the_disk_has_no_room_is_made_later(
    kibibytes: int, database: Path
) -> None:
    """DuckDB says nothing of a disk that is full when it closes a file: an empty database would
    stand there, and be taken for a stranger's for ever."""
    with small_disk(database.parent, kibibytes):
        record = a_record()
        finished(database, record)
        take_in(database)
        subprocess.run(["mount", "-o", "remount,size=16m", database.parent], check=True)
        assert take_in(database).waiting == ()
        with Reader(database) as reader:
            assert reader.load(record.run.run_id) == record


@pytest.mark.kernel
def test_a_run_waits_while_its_folder_is_read_only(database: Path) -> None:
    with small_disk(database.parent, 8192):
        finished(database, a_record())
        take_in(database)
        record = a_record()
        finished(database, record)
        remount(database.parent, "ro")
        with pytest.raises(StoreError, match="not writable"):
            location.check_writable(database)
        waiting = take_in(database).waiting
        assert [item.run_id for item in waiting] == [record.run.run_id]
        assert "Read-only file system" in waiting[0].reason
        with Reader(database) as reader:
            assert reader.waiting
            assert reader.execute("SELECT count(*) FROM runs") == [(1,)]
        remount(database.parent, "rw")
        assert take_in(database).taken == (record.run.run_id,)
        with Reader(database) as reader:
            assert reader.load(record.run.run_id) == record


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


@pytest.mark.kernel
@pytest.mark.timeout(120)
def test_twenty_runs_that_end_beside_a_foreign_holder_wait_a_second_at_most(
    database: Path,
) -> None:
    """They sleep so long at most: what they compute, or wait for a processor, is the machine's."""
    finished(database, a_record())
    take_in(database)
    code = (
        "import sys, time, pathlib; from tracer.store.intake import take_in\n"
        "def slept():\n"
        "    used = pathlib.Path('/proc/thread-self/schedstat').read_text().split()[:2]\n"
        "    return time.monotonic() - sum(map(int, used)) / 1e9\n"
        "print('ready', flush=True); sys.stdin.read(1); start = slept()\n"
        "result = take_in(pathlib.Path(sys.argv[1]))\n"
        "print(len(result.waiting), slept() - start)"
    )
    waiting = [a_record() for _ in range(5)]
    for record in waiting:
        finished(database, record)
    with duckdb.connect(str(database)):
        enders = [
            subprocess.Popen(
                [sys.executable, "-c", code, database],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(20)
        ]
        for process in enders:  # all have imported what they need before one begins
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in enders:
            assert process.stdin is not None
            process.stdin.write("go")
            process.stdin.flush()
        results = [process.communicate()[0].split() for process in enders]
    assert {int(count) for count, _ in results} == {len(waiting)}
    assert max(float(seconds) for _, seconds in results) < 1
    assert len(take_in(database).taken) == len(waiting)


def test_the_spool_is_plain_json_that_anybody_can_read(database: Path) -> None:
    record = a_record()
    finished(database, record)
    folder = location.spool_root(database) / record.run.run_id
    assert json.loads((folder / "run.json").read_text())["run"]["run_id"] == record.run.run_id
    assert folder.stat().st_mode & 0o777 == 0o700
