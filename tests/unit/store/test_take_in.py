"""What stands in the way of the database is said in one line, and the run waits."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import database, finished
from tracer import identity
from tracer.completeness import counts_are_exact, samples_are_complete
from tracer.errors import StoreError
from tracer.model import Loss
from tracer.query.ask import Question, asking
from tracer.store import database as files
from tracer.store import location, maintain, schema, transfer
from tracer.store.intake import take_in
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from tracer.model import RunRecord


__all__ = ["database"]

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read")
print("held", flush=True)
sys.stdin.read()
"""


class Holder:
    """Another program that has the database open."""

    def __init__(self, path: Path, how: str = "write") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, path, how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> int:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"held\n"
        return self.process.pid

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def recorded(path: Path, **changes: object) -> RunRecord:
    record = a_record(**changes)
    finished(path, record)
    assert take_in(path).waiting == ()
    return record


def test_a_foreign_writer_is_named_within_a_second_and_the_run_comes_later(database: Path) -> None:
    recorded(database)
    record = a_record()
    finished(database, record)
    with Holder(database) as pid:
        started = time.monotonic()
        result = take_in(database)
        assert time.monotonic() - started < 1
        assert [item.run_id for item in result.waiting] == [record.run.run_id]
        assert f"in use by pid {pid} (" in result.waiting[0].reason
        assert result.waiting[0].folder.is_dir()
        with (
            pytest.raises(StoreError, match=f"in use by pid {pid} .*close it there"),
            Reader(database),
        ):
            pass
    assert take_in(database).taken == (record.run.run_id,)


def test_a_foreign_reader_lets_us_read_beside_it(database: Path) -> None:
    record = recorded(database)
    finished(database, a_record())
    with Holder(database, "read"), Reader(database) as reader:
        assert len(reader.waiting) == 1
        assert reader.resolve("last") == record.run.run_id


def test_two_readers_read_at_once(database: Path) -> None:
    recorded(database)
    code = (
        "import sys, pathlib; from tracer.store.reader import Reader\n"
        "with Reader(pathlib.Path(sys.argv[1])) as reader: print(reader.resolve('last'))"
    )
    with Reader(database) as reader:
        other = subprocess.run(
            [sys.executable, "-c", code, database], capture_output=True, text=True, check=True
        )
        assert other.stdout.strip() == reader.resolve("last")


def test_a_text_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all")
    with pytest.raises(StoreError, match=r"notes\.txt: is not a DuckDB database: move it away"):
        location.check_writable(path)


def test_a_folder_is_refused_as_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a regular file"):
        location.check_writable(tmp_path)


def test_a_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used as database"):
        location.check_writable(tmp_path / "file" / "x.duckdb")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_somebody_elses_database_is_refused(database: Path) -> None:
    recorded(database)
    os.chown(database, 4321, 4321)
    with pytest.raises(StoreError, match="belongs to user 4321"):
        location.check_writable(database)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is kept from folders of others")
def test_root_does_not_write_where_another_user_can_put_a_link(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 4321)
    with pytest.raises(StoreError, match="can be changed by others"):
        location.check_writable(tmp_path / "x.duckdb")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as sudo gives it")
@pytest.mark.usefixtures("reach")
def test_under_sudo_everything_belongs_to_the_invoking_user(
    public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = public_folder / "sudo-home"
    home.mkdir()
    os.chown(home, 4321, 4321)
    monkeypatch.setenv("SUDO_UID", "4321")
    monkeypatch.setenv("SUDO_GID", "4321")
    path = home / "state" / "x.duckdb"
    recorded(path)
    with Reader(path) as reader:
        assert reader.resolve("last")
    owners = {entry.stat().st_uid for entry in [path, *home.rglob("*")]}
    assert owners == {4321}
    assert Path("/etc/shadow").read_bytes()  # and root is back


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as sudo gives it")
def test_under_sudo_a_link_leads_only_where_the_user_may_go(
    public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = public_folder / "sudo-link"
    home.mkdir()
    os.chown(home, 4321, 4321)
    target = public_folder / "roots"
    target.mkdir(mode=0o755)
    (home / "state").symlink_to(target)
    monkeypatch.setenv("SUDO_UID", "4321")
    monkeypatch.setenv("SUDO_GID", "4321")
    with pytest.raises(StoreError):
        location.check_writable(location.resolve(str(home / "state" / "x.duckdb")))
    assert list(target.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as sudo gives it")
def test_giving_up_root_is_for_good() -> None:
    code = (
        "import os; from tracer.identity import become_invoking_user\n"
        "become_invoking_user()\n"
        "assert os.getresuid() == (4321,) * 3 and os.getresgid() == (4321,) * 3\n"
        "assert os.getgroups() in ([], [4321])\n"
        "try: os.setuid(0)\n"
        "except PermissionError: print('refused')"
    )
    env = {**os.environ, "SUDO_UID": "4321", "SUDO_GID": "4321"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"


@pytest.mark.parametrize("uid", ["", "x", "-1", "4294967295", "\u0663"])
def test_a_malformed_sudo_uid_is_not_believed(uid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", uid)
    monkeypatch.setenv("SUDO_GID", "0")
    assert identity.invoking_user().uid == os.geteuid()


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 600_000), st.binary(min_size=1, max_size=64))
def test_a_damaged_database_never_gives_more_than_one_line(
    tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "x.duckdb"
    record = recorded(path)
    raw = bytearray(path.read_bytes())
    raw[at : at + len(junk)] = junk
    path.write_bytes(raw)
    newer = a_record()
    lines: list[str] = []
    try:
        finished(path, newer)
        for item in take_in(path).waiting:
            lines = item.reason.splitlines()
            assert item.folder.is_dir()
        with Reader(path) as reader:
            reader.load(record.run.run_id)
    except StoreError as error:
        lines = str(error).splitlines()
    assert len(lines) <= 1


def test_a_newer_schema_is_refused_and_the_run_waits(database: Path) -> None:
    recorded(database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO schema_version VALUES (999, now(), 'later')")
    finished(database, a_record())
    assert "schema version 999 is newer" in take_in(database).waiting[0].reason
    with pytest.raises(StoreError, match="schema version 999 is newer"), Reader(database):
        pass


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE runs (i INTEGER)")
    with pytest.raises(StoreError, match="not one of sbtrace"), Reader(path):
        pass


def test_an_older_schema_is_migrated_after_a_backup(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = recorded(database)
    before = database.read_bytes()
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    step = "ALTER TABLE runs ADD COLUMN colour VARCHAR"
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION - 1: step})
    with Reader(database) as reader:
        assert schema.version(reader.connection) == schema.VERSION
        assert reader.execute("SELECT colour FROM runs") == [(None,)]
        assert reader.load("last") == record
        assert reader.execute("SELECT calls FROM syscall_totals WHERE abi = 'i386'") == [(1,)]
    backup = database.with_name(f"{database.name}.v{schema.VERSION - 1}.backup")
    assert backup.read_bytes() == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


VERSION_1 = """
DROP VIEW IF EXISTS reconciliation;
ALTER TABLE runs DROP COLUMN samples_complete;
ALTER TABLE runs DROP COLUMN capabilities;
ALTER TABLE runs DROP COLUMN dropped_capabilities;
ALTER TABLE runs DROP COLUMN no_new_privs;
ALTER TABLE blocked_calls DROP COLUMN paths;
DROP TABLE arguments;
UPDATE runs SET exact = exact AND run_id NOT IN (SELECT run_id FROM losses);
DELETE FROM schema_version;
INSERT INTO schema_version VALUES (1, now(), '0.1');
"""
"""What makes a database of version 1 of one of today's: ``exact`` was false for any loss."""
LATE = Loss("procfs", "late_sample", 1, 5, 5)
LOST = Loss("kernel", "lost_calls", 3)
JUDGED = [
    ((), (True, True)),
    ((LATE,), (True, False)),
    ((LOST,), (False, True)),
    ((LOST, LATE), (False, False)),
    ((Loss("kernel", "lost_stacks", 3), Loss("procfs", "unread_account", 1)), (True, True)),
    ((Loss("procfs", "untold_peak", 1),), (True, True)),
    ((Loss("store", "interrupted", 1),), (False, False)),
    ((Loss("store", "torn_samples", 1),), (True, False)),
    ((Loss("kernel", "of_the_future", 1),), (False, True)),
]


def of_version_1(path: Path) -> dict[str, tuple[bool, bool]]:
    """Make a database of version 1; return what is right of each run."""
    right = {}
    for _ in JUDGED:
        finished(path, a_record())
    take_in(path)
    with duckdb.connect(str(path)) as connection:
        found = connection.execute("SELECT run_id FROM runs").fetchall()
        for (run_id,), (losses, judged) in zip(found, JUDGED, strict=True):
            right[run_id] = judged
            connection.execute("DELETE FROM losses WHERE run_id = ?", [run_id])
            for loss in losses:
                connection.execute("INSERT INTO losses VALUES (?, ?, ?, ?, ?, ?)", [run_id, *loss])
        connection.execute(VERSION_1)
    return right


JUDGEMENT = "SELECT run_id, exact, samples_complete FROM runs"


def test_runs_of_version_1_get_both_columns_by_their_losses(database: Path) -> None:
    right = of_version_1(database)
    with Reader(database) as reader:
        found = {run_id: tuple(both) for run_id, *both in reader.execute(JUDGEMENT)}
    assert found == right


@pytest.mark.parametrize(("losses", "judged"), JUDGED)
def test_a_migration_judges_as_a_run_does(
    losses: tuple[Loss, ...], judged: tuple[bool, bool]
) -> None:
    assert (counts_are_exact(losses), samples_are_complete(losses)) == judged


def test_an_export_of_version_1_is_imported_with_both_columns(
    database: Path, tmp_path: Path
) -> None:
    right = of_version_1(database)
    folder = tmp_path / "out"
    folder.mkdir()
    with duckdb.connect(str(database)) as connection:
        for table in set(schema.TABLES) - set(schema.ADDED):
            connection.table(table).write_parquet(str(folder / f"{table}.parquet"))
    other = tmp_path / "other" / "x.duckdb"
    other.parent.mkdir(mode=0o700)
    assert transfer.import_from(other, folder, lambda _: None) == len(JUDGED)
    with Reader(other) as reader:
        found = {run_id: tuple(both) for run_id, *both in reader.execute(JUDGEMENT)}
    assert found == right


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = recorded(database)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "VERSION", schema.VERSION + 1)
        patch.setattr(schema, "MIGRATIONS", {schema.VERSION - 1: "DROP TABLE losses; SELECT nope"})
        with pytest.raises(StoreError), Reader(database):
            pass
    with Reader(database) as reader:
        assert reader.load("last") == record


def test_an_export_is_imported_once(database: Path, tmp_path: Path) -> None:
    record = recorded(database)
    steps: list[str] = []
    assert transfer.export_to(database, tmp_path / "out", steps.append) == 1
    other = tmp_path / "other" / "x.duckdb"
    other.parent.mkdir(mode=0o700)
    assert transfer.import_from(other, tmp_path / "out", steps.append) == 1
    assert transfer.import_from(other, tmp_path / "out", steps.append) == 0
    assert transfer.import_from(other, database, steps.append) == 0
    with Reader(other) as reader:
        assert reader.load("last") == record
    with pytest.raises(StoreError, match="is there already"):
        transfer.export_to(database, tmp_path / "out", steps.append)


def test_why_an_import_fails_is_said_of_its_source(database: Path, tmp_path: Path) -> None:
    """And not that the transaction which it ended was aborted."""
    source = tmp_path / "other" / "source.duckdb"
    source.parent.mkdir(mode=0o700)
    finished(source, a_record())
    take_in(source)
    with duckdb.connect(str(source)) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN profile_source")
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    reason = rf"^{re.escape(str(source))}: cannot be read: (?!.*aborted).*profile_source"
    with pytest.raises(StoreError, match=reason):
        transfer.import_from(database, source, lambda _step: None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ab\x1b[2Jcd", r"run_id 'ab\\x1b\[2Jcd' is not 12 hexadecimal digits"),
        ("ABCDEF012345", "run_id 'ABCDEF012345' is not 12 hexadecimal digits"),
        ("last", "run_id 'last' is not 12 hexadecimal digits"),
        ("", "run_id '' is not 12 hexadecimal digits"),
    ],
)
def test_a_run_with_an_odd_name_is_not_imported(
    database: Path, tmp_path: Path, name: str, reason: str
) -> None:
    """Every verb takes part of a run_id, and prints it; nothing of the source comes in."""
    recorded(database)
    odd = recorded(database).run.run_id
    with duckdb.connect(str(database)) as connection:
        connection.execute("UPDATE runs SET run_id = ? WHERE run_id = ?", [name, odd])
    other = tmp_path / "other" / "x.duckdb"
    other.parent.mkdir(mode=0o700)
    mine = recorded(other)
    with pytest.raises(StoreError, match=reason):
        transfer.import_from(other, database, lambda _: None)
    with Reader(other) as reader:
        assert reader.load("last") == mine
        assert reader.execute("SELECT count(*) FROM runs") == [(1,)]


def test_a_run_that_is_there_twice_is_not_imported(database: Path, tmp_path: Path) -> None:
    """A Parquet file has no keys."""
    run_id = recorded(database).run.run_id
    transfer.export_to(database, tmp_path / "out", lambda _: None)
    runs, twice = tmp_path / "out" / "runs.parquet", tmp_path / "twice.parquet"
    duckdb.execute(f"COPY (FROM '{runs}' UNION ALL FROM '{runs}') TO '{twice}'")
    twice.rename(runs)
    other = tmp_path / "other" / "x.duckdb"
    other.parent.mkdir(mode=0o700)
    with pytest.raises(StoreError, match=f"run_id '{run_id}' is there 2 times"):
        transfer.import_from(other, tmp_path / "out", lambda _: None)


@pytest.mark.parametrize(
    ("altered", "reason"),
    [
        (
            "ALTER TABLE runs ALTER wall_ns TYPE VARCHAR",
            "has runs.wall_ns as VARCHAR, not as BIGINT",
        ),
        ("ALTER TABLE runs ALTER argv DROP NOT NULL", "lets runs.argv be NULL"),
        ("ALTER TABLE runs DROP COLUMN tags", "has no column runs.tags"),
        ("ALTER TABLE blocked_calls DROP COLUMN frames", "has no column blocked_calls.frames"),
        ("DROP TABLE losses", "has no table losses"),
    ],
)
def test_a_database_whose_tables_somebody_altered_is_said_to_be_so(
    database: Path, altered: str, reason: str
) -> None:
    """By each verb but SQL of one's own, which may be what is to mend it."""
    recorded(database)
    with duckdb.connect(str(database)) as connection:
        connection.execute(altered)
    reason = rf"^{re.escape(str(database))}: {reason}, as somebody altered its tables: restore"
    for read in (
        lambda: Reader(database).__enter__(),
        lambda: maintain.info(database),
        lambda: transfer.export_to(database, database.with_name("out"), lambda _: None),
        lambda: asked(database, "top-syscalls"),
    ):
        with pytest.raises(StoreError, match=reason):
            read()
    assert asked(database, "SELECT 23") == [(23,)]


def test_a_saved_query_without_its_views_says_how_to_have_them_anew(database: Path) -> None:
    recorded(database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("DROP VIEW syscall_totals")
    with pytest.raises(StoreError, match=r"has no view syscall_totals, .*: `sbtrace db vacuum`"):
        asked(database, "top-syscalls")
    maintain.vacuum(database, lambda _: None)
    assert asked(database, "top-syscalls")


def test_tables_that_somebody_added_to_are_read(database: Path) -> None:
    record = recorded(database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("ALTER TABLE runs ADD COLUMN mine INTEGER")
        connection.execute("CREATE TABLE notes (text VARCHAR)")
    with Reader(database) as reader:
        assert reader.load("last") == record


def asked(database: Path, text: str) -> list[tuple[Any, ...]]:
    with asking(database, Question(text, {})) as answer:
        return list(answer.rows)


def test_another_database_is_imported_whole(database: Path, tmp_path: Path) -> None:
    record = recorded(database)
    other = tmp_path / "other" / "x.duckdb"
    other.parent.mkdir(mode=0o700)
    mine = recorded(other)
    assert transfer.import_from(other, database, lambda _: None) == 1
    with Reader(other) as reader:
        assert reader.load(record.run.run_id) == record
        assert reader.load(mine.run.run_id) == mine


def test_pruning_keeps_the_newest_and_says_first_what_would_go(database: Path) -> None:
    old = [recorded(database) for _ in range(3)]
    dry = maintain.prune(database, None, 1, dry_run=True)
    assert [run[0] for run in dry.runs] == [record.run.run_id for record in old[:2]]
    assert maintain.info(database).rows["runs"] == 3
    assert maintain.prune(database, None, 1, dry_run=False).kept == 1
    rows = maintain.info(database).rows
    assert (rows["runs"], rows["syscalls"]) == (1, 2)


def test_a_vacuum_keeps_every_row_and_makes_the_file_no_larger(database: Path) -> None:
    for _ in range(5):
        recorded(database, profile_source=os.urandom(300_000).hex())
    maintain.prune(database, None, 0, dry_run=False)
    newest = a_record()
    finished(database, newest)
    before, after = maintain.vacuum(database, lambda _: None)
    assert after <= before
    with Reader(database) as reader:
        assert reader.load("last") == newest
        assert reader.execute("SELECT run_id FROM runs") == [(newest.run.run_id,)]


def test_duckdb_spills_where_nobody_else_can_go(database: Path) -> None:
    recorded(database)
    setting = "SELECT current_setting('temp_directory')"
    with identity.as_invoking_user() as user, files.engine() as ready:
        assert ready.execute(setting).fetchall() == [("",)]
        with files.writer(database, user, ready) as connection:
            assert connection.execute(setting).fetchall() == [(f"{database}.spool/.spilled",)]


def test_runs_wait_beside_a_damaged_database_and_come_into_the_next_one(database: Path) -> None:
    recorded(database)
    content = bytearray(database.read_bytes())
    content[len(content) // 4 :] = bytes(len(content) - len(content) // 4)
    for page in (1, 2):  # both headers
        content[page * 4096 : page * 4096 + 8] = b"12345678"
    database.write_bytes(content)
    record = a_record()
    finished(database, record)
    [waiting] = take_in(database).waiting
    assert "checksum" in waiting.reason
    assert "move it away and the next run makes a new one" in waiting.reason
    assert database.read_bytes() == content
    database.rename(database.with_name("damaged"))
    with Reader(database) as reader:
        assert reader.load("last") == record
