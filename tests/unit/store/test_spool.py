"""A run is on disk as it goes, and comes into the database once, as it was given."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.store.records import ODD, a_record, a_run, a_sample
from tracer.errors import RunNotFound, StoreError
from tracer.model import Loss, RunRecord
from tracer.store import location
from tracer.store.intake import TakeInResult, take_in
from tracer.store.reader import Reader
from tracer.store.spool import folder
from tracer.store.spool.encode import decode_text, encode_text
from tracer.store.spool.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path that does not exist yet, with characters that a glob would take for its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "fallback"))
    (tmp_path / "fallback").mkdir(mode=0o700)
    return tmp_path / "state [1]*" / "sb'trace.duckdb"


def keep(database: Path, record: RunRecord) -> Spool:
    location.check_writable(database)
    spool = Spool.create(database, record.run._replace(outcome="running"))
    spool.add_samples(record.samples)
    return spool


def finished(database: Path, record: RunRecord) -> None:
    keep(database, record).finish(record)


def abandoned(database: Path, record: RunRecord, *, snapshots: int = 1) -> None:
    """Keep a run in a process of its own that dies without a word."""
    pid = os.fork()
    if pid == 0:
        spool = keep(database, record)
        for _ in range(snapshots):
            spool.snapshot(record)
        os._exit(0)
    os.waitpid(pid, 0)


@given(st.text(st.characters(codec=None)))
def test_any_text_survives_and_is_stored_as_utf8(text: str) -> None:
    stored = encode_text(text)
    assert decode_text(stored) == text
    assert "\0" not in stored
    stored.encode()


@given(st.binary())
def test_any_bytes_of_a_file_name_survive(raw: bytes) -> None:
    text = raw.decode(errors="surrogateescape")
    assert decode_text(encode_text(text)).encode(errors="surrogateescape") == raw


@pytest.mark.parametrize("text", ["a\\b", "\\n", "C:\\x", "\\xFF", "\\d+"])
def test_an_ordinary_backslash_is_stored_as_it_is(text: str) -> None:
    assert encode_text(text) == text


def test_a_finished_run_is_read_back_as_it_was_given(database: Path) -> None:
    record = a_record()
    finished(database, record)
    assert take_in(database).taken == (record.run.run_id,)
    with Reader(database) as reader:
        assert reader.load("last") == record


def test_a_run_taken_in_twice_is_there_once(database: Path) -> None:
    record = a_record()
    finished(database, record)
    spool = location.spool_root(database) / record.run.run_id
    copy = database.parent / "copy"
    subprocess.run(["cp", "-a", spool, copy], check=True)
    take_in(database)
    assert not spool.exists()
    copy.rename(spool)
    assert take_in(database).taken == ()
    assert not spool.exists()
    with Reader(database) as reader:
        assert reader.execute("SELECT count(*) FROM syscalls") == [(len(record.syscalls),)]


def test_a_run_whose_sbtrace_lives_is_left_alone(database: Path) -> None:
    record = a_record()
    spool = keep(database, record)
    spool.snapshot(record)
    assert take_in(database).taken == ()
    spool.finish(record)
    assert take_in(database).taken == (record.run.run_id,)


def test_a_run_whose_sbtrace_died_is_interrupted_with_its_last_snapshot(database: Path) -> None:
    record = a_record()
    abandoned(database, record)
    take_in(database)
    with Reader(database) as reader:
        got = reader.load("last")
    changed = {"outcome": "interrupted", "exact": False, "samples_complete": False}
    assert got.run == record.run._replace(**changed)
    assert (got.syscalls, got.samples) == (record.syscalls, record.samples)
    last = record.samples[-1].at_ns
    assert got.losses == (*record.losses, Loss("store", "interrupted", 1, last))


def test_a_run_that_died_before_any_snapshot_is_there(database: Path) -> None:
    record = a_record(total_syscalls=None)
    abandoned(database, record, snapshots=0)
    take_in(database)
    with Reader(database) as reader:
        got = reader.load(record.run.run_id[:6])
    assert (got.run.outcome, got.run.total_syscalls, got.syscalls) == ("interrupted", None, ())
    assert got.samples == record.samples


def test_a_torn_sample_is_said_and_takes_no_other_with_it(database: Path) -> None:
    record = a_record(samples=50)
    abandoned(database, record)
    samples = location.spool_root(database) / record.run.run_id / "samples.jsonl"
    lines = samples.read_bytes().splitlines(keepends=True)
    samples.write_bytes(b"".join(lines[:20]) + b"\0" * 30 + b"\n" + b"".join(lines[20:])[:-9])
    take_in(database)
    with Reader(database) as reader:
        got = reader.load("last")
    assert got.samples == record.samples[:49]
    assert {loss.kind for loss in got.losses} == {"map_full", "interrupted", "torn_samples"}
    assert got.run.exact is False


def test_who_dies_removing_a_spool_leaves_no_half_of_it_under_its_name(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is left goes away once it is stale."""
    record = a_record()
    finished(database, record)

    def die(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(folder.os, "rmdir", die)
        assert take_in(database).taken == (record.run.run_id,)
    root = location.spool_root(database)
    left = root / f".old-{record.run.run_id}"
    assert left.is_dir()
    assert not (root / record.run.run_id).exists()
    os.utime(left, (0, 0))
    assert take_in(database) == TakeInResult()
    assert not left.exists()


def test_a_link_in_a_spool_is_not_followed(database: Path, tmp_path: Path) -> None:
    record = a_record()
    abandoned(database, record)
    secret = tmp_path / "secret"
    secret.write_text('{"process_id": 1}\n')
    table = location.spool_root(database) / record.run.run_id / "syscalls.1.jsonl"
    table.unlink()
    table.symlink_to(secret)
    assert take_in(database).taken == ()
    assert secret.exists()


def test_files_are_private_whatever_the_umask(database: Path) -> None:
    before = os.umask(0)
    try:
        spool = keep(database, a_record())
        spool.snapshot(a_record())
        modes = {path.stat().st_mode & 0o777 for path in spool.folder.iterdir()}
        assert modes == {0o600}
        finished(database, a_record())
        take_in(database)
    finally:
        os.umask(before)
    assert database.stat().st_mode & 0o777 == 0o600
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert database.parent.stat().st_mode & 0o777 == 0o700


def test_a_spool_whose_folder_vanishes_moves_on_with_all_it_holds(database: Path) -> None:
    record = a_record()
    spool = keep(database, record)
    spool.snapshot(record)
    subprocess.run(["rm", "-r", database.parent], check=True)
    spool.add_samples([a_sample(100)])
    spool.finish(record)
    assert "fallback" in str(spool.folder)
    assert str(location.spool_root(database)) in str(spool.trouble)
    result = take_in(database)
    assert result.taken == ()
    assert result.waiting[0].folder == spool.folder
    database.parent.mkdir(mode=0o700)
    assert take_in(database).taken == (record.run.run_id,)
    with Reader(database) as reader:
        assert reader.load("last").samples == (*record.samples, a_sample(100))


def test_a_run_that_can_be_kept_nowhere_says_where_it_was_tried(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracer.store.spool.spool.fallback_roots", lambda *_: iter(()))
    with pytest.raises(StoreError, match=r"cannot be kept: .*No such file"):
        Spool.create(database, a_run())


def test_runs_are_found_by_last_and_by_a_unique_prefix(database: Path) -> None:
    first, second = a_record(run_id="aaaaaaaaaaaa"), a_record(run_id="aaab00000000")
    finished(database, first)
    finished(database, second)
    with Reader(database) as reader:
        assert reader.resolve("last") == "aaab00000000"
        assert reader.resolve("last~1") == "aaaaaaaaaaaa"
        assert reader.resolve("AAAA") == "aaaaaaaaaaaa"
        for ref in ("aaa", "b", "", "last~2", "%", "last~x"):
            with pytest.raises(RunNotFound):
                reader.resolve(ref)


def test_spooling_does_not_import_duckdb() -> None:
    code = "import sys, tracer.store.spool.spool, tracer.store.location, tracer.store.intake as w;"
    code += (
        "w.take_in(__import__('pathlib').Path('/nowhere/x')); assert 'duckdb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_odd_text_can_be_asked_for_in_sql(database: Path) -> None:
    finished(database, a_record())
    with Reader(database) as reader:
        sql = "SELECT count(*) FROM runs WHERE list_contains(argv, ?)"
        assert reader.execute(sql, [encode_text(ODD)]) == [(1,)]


def test_duckdb_is_left_readable_by_its_own_tools(database: Path) -> None:
    finished(database, a_record())
    take_in(database)
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
