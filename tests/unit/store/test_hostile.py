"""Whoever shares a folder, makes a database or runs as a target leads sbtrace nowhere."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests import support
from tests.unit.store.records import a_record
from tests.unit.store.test_spool import database, finished
from tracer.errors import SbtraceError, StoreError
from tracer.identity import Identity
from tracer.query.ask import Question, asking
from tracer.query.runs import Filter, list_runs
from tracer.store import location, maintain, transfer
from tracer.store.intake import take_in
from tracer.store.location import fallback_roots, spool_root
from tracer.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["database"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
HIDDEN = "what only its owner may read"
PATIENCE_S = 3600.0
"""How long these tests would wait, were it not for what they test."""


def recorded(path: Path) -> str:
    record = a_record()
    finished(path, record)
    assert take_in(path).waiting == ()
    return record.run.run_id


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(HIDDEN)
    return file


def with_a_view(path: Path, name: str, column: str, read: str) -> None:
    """Put a view that reads a file where the table ``name`` was."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO real")
        connection.execute(f"CREATE VIEW {name} AS FROM real SELECT * REPLACE ({read} AS {column})")


def list_all(path: Path, _folder: Path) -> object:
    return list_runs(path, Filter(None, None, None, {}, None, 20))


def load_last(path: Path, _folder: Path) -> object:
    with Reader(path) as reader:
        return reader.load("last")


def sql(path: Path, _folder: Path) -> object:
    with asking(path, Question("FROM runs", {})) as answer:
        return list(answer.rows)


def export(path: Path, folder: Path) -> object:
    return transfer.export_to(path, folder / "export", lambda _step: None)


def import_it(path: Path, folder: Path) -> object:
    return transfer.import_from(folder / "mine" / "db", path, lambda _step: None)


def prune_it(path: Path, _folder: Path) -> object:
    return maintain.prune(path, None, 0, dry_run=True)


VERBS = [list_all, load_last, sql, export, import_it, prune_it]


@pytest.mark.parametrize(
    ("name", "column", "read"),
    [("runs", "cwd", "any_value(content)"), ("schema_version", "version", "any_value(size)")],
)
def test_no_verb_reads_a_file_through_a_view_of_a_database(
    database: Path, tmp_path: Path, secret: Path, name: str, column: str, read: str
) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    recorded(database)
    with_a_view(database, name, column, f"(FROM read_text('{secret}') SELECT {read})")
    for verb in VERBS:
        with pytest.raises(SbtraceError, match=r"disabled|has no table") as caught:
            verb(database, tmp_path)
        assert HIDDEN not in str(caught.value)
    assert not (tmp_path / "export").exists()


def test_what_a_reader_is_kept_from_it_cannot_turn_on_again(database: Path, secret: Path) -> None:
    recorded(database)
    with Reader(database) as reader:
        for statement in (
            "SET enable_external_access = true",
            "SET threads = 2",
            "RESET lock_configuration",
            f"FROM read_text('{secret}')",
            f"ATTACH '{secret}'",
            f"COPY (SELECT 1) TO '{secret}'",
            "LOAD httpfs",
        ):
            with pytest.raises(duckdb.Error):
                reader.connection.execute(statement)
    assert secret.read_text() == HIDDEN


@needs_root
def test_a_view_for_a_table_in_anothers_database_is_no_table(database: Path) -> None:
    recorded(database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("ALTER TABLE runs RENAME TO real")
        connection.execute("CREATE VIEW runs AS FROM real")
    os.chown(database, support.NOBODY, support.NOBODY)
    with pytest.raises(StoreError, match="has no table runs, so it is not one of sbtrace"):
        Reader(database).__enter__()


@needs_root
def test_reading_anothers_database_leaves_nothing_beside_it(database: Path, tmp_path: Path) -> None:
    recorded(database)
    theirs = tmp_path / "theirs.duckdb"
    database.rename(theirs)
    os.chown(theirs, support.NOBODY, support.NOBODY)
    before = sorted(tmp_path.iterdir())
    with Reader(theirs) as reader:
        assert len(reader.execute("FROM runs")) == 1
    for change in (
        lambda: maintain.prune(theirs, None, 0, dry_run=False),
        lambda: maintain.vacuum(theirs, lambda _step: None),
        lambda: transfer.import_from(theirs, database.parent, lambda _step: None),
    ):
        with pytest.raises(StoreError, match="belongs to user nobody"):
            change()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("end", location.DUCKDB_FILES)
def test_a_link_in_the_place_of_a_log_is_not_followed(
    database: Path, secret: Path, end: str
) -> None:
    recorded(database)
    finished(database, a_record())
    database.with_name(database.name + end).symlink_to(secret)
    with pytest.raises(StoreError, match="is not the database's own log"):
        location.check_writable(database)
    assert "is not the database's own log" in take_in(database).waiting[0].reason
    with pytest.raises(StoreError, match="is not the database's own log"):
        Reader(database).__enter__()
    assert secret.read_text() == HIDDEN


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
def test_what_is_no_file_hangs_no_verb(
    database: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    recorded(database)
    odd = tmp_path / "odd"
    make(odd)
    with pytest.raises(StoreError, match="is not a regular file"):
        Reader(odd).__enter__()
    with pytest.raises(StoreError):
        transfer.import_from(database, odd, lambda _step: None)
    with pytest.raises(StoreError, match="is not a regular file"):
        maintain.vacuum(odd, lambda _step: None)
    exported = tmp_path / "export"
    transfer.export_to(database, exported, lambda _step: None)
    (exported / "runs.parquet").unlink()
    make(exported / "runs.parquet")
    with pytest.raises(StoreError, match="is not a regular file"):
        transfer.import_from(database, exported, lambda _step: None)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fspath(path))


def a_device(path: Path) -> None:
    """/dev/null by another name: to open it does nothing."""
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


NO_FILES = [
    (os.mkfifo, "a FIFO"),
    (os.mkdir, "a folder"),
    (a_socket, "a socket"),
    pytest.param(a_device, "a device", marks=needs_root),
]


@pytest.mark.parametrize(("make", "kind"), NO_FILES)
def test_what_is_no_file_is_named_and_never_opened(
    tmp_path: Path,
    make: Callable[[Path], None],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = tmp_path / "odd"
    make(odd)
    opened: list[object] = []
    monkeypatch.setattr(location.os, "open", lambda path, *_: opened.append(path))
    for check in (location.check_writable, location.check_readable):
        with pytest.raises(StoreError, match=f"odd: is not a regular file but {kind}: name anoth"):
            check(odd)
    assert opened == []


@pytest.mark.parametrize(("make", "kind"), NO_FILES)
def test_no_command_is_started_for_what_is_no_file(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    odd, started = tmp_path / "odd", tmp_path / "started"
    make(odd)
    told = subprocess.run(
        [Path(sys.executable).with_name("sbtrace"), "run", "--db", odd, "--", "touch", started],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert told.stderr.startswith(f"sbtrace: {odd}: is not a regular file but {kind}: ")
    assert (told.returncode, started.exists()) == (125, False)


def test_a_path_that_is_not_utf8_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not UTF-8, and DuckDB opens nothing else"):
        location.resolve(os.fsdecode(bytes(tmp_path) + b"/\xff.duckdb"))


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_folder_that_everybody_writes_to_holds_no_database(tmp_path: Path, uid: int) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(StoreError, match=f"such as --db {shared}/.*/runs.duckdb"):
        location.check_trusted(shared, Identity(uid, uid))


def test_a_private_file_in_such_a_folder_is_no_database_to_write(tmp_path: Path) -> None:
    """What DuckDB makes beside it, anybody can have made before."""
    recorded(tmp_path / "db")
    tmp_path.chmod(0o1777)
    with pytest.raises(StoreError, match="others can put files there"):
        location.check_writable(tmp_path / "db")


def test_a_folder_of_ones_own_below_it_is_made_and_will_do(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    location.check_writable(shared / "own" / "deep" / "db")
    made = (shared / "own", shared / "own" / "deep")
    assert [oct(folder.stat().st_mode & 0o7777) for folder in made] == ["0o700", "0o700"]


@needs_root
def test_in_the_home_of_another_user_root_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, support.NOBODY, support.NOBODY)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(StoreError, match="can be changed by others than root"):
        location.check_writable(location.default_database())
    assert list(home.iterdir()) == []


@needs_root
def test_root_keeps_no_run_in_a_temporary_folder_of_another_user(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, support.NOBODY, support.NOBODY)
    monkeypatch.setenv("TMPDIR", str(theirs))
    assert not [root for root in fallback_roots(database) if root.is_relative_to(theirs)]


HOLD = """
import fcntl, os, sys
if sys.argv[2] == "filtered":
    import pyseccomp
    pyseccomp.SyscallFilter(pyseccomp.ALLOW).load()
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path, how: str) -> Iterator[int]:
    words = [sys.executable, "-c", HOLD, file, how]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        process.communicate()


@pytest.mark.parametrize("name", [".lock", ".turn"])
def test_a_target_that_holds_the_queue_is_named_and_not_waited_for(
    database: Path, name: str
) -> None:
    recorded(database)
    finished(database, a_record())
    with held(spool_root(database) / name, "filtered") as pid:
        result = take_in(database, PATIENCE_S)
    assert f"in use by pid {pid} (" in result.waiting[0].reason


def test_an_export_follows_no_link_and_leaves_nothing_half(
    database: Path, tmp_path: Path, secret: Path
) -> None:
    recorded(database)
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "samples.parquet").symlink_to(tmp_path / "new")
    with pytest.raises(StoreError, match="is there already: export to an empty folder"):
        transfer.export_to(database, folder, lambda _step: None)
    assert [path.name for path in folder.iterdir()] == ["samples.parquet"]
    assert not (tmp_path / "new").exists()
