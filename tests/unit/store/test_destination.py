"""What ``-o`` names is never the record, and is whole or as it was."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests import support
from tests.unit.store.records import a_record
from tests.unit.store.test_spool import database, finished, keep
from tracer.errors import SbtraceError
from tracer.store.destination import Destination
from tracer.store.intake import take_in
from tracer.store.location import spool_root
from tracer.store.reader import Reader

__all__ = ["database"]

OLD, NEW = b"what was there\n", b"what is new\n"


@pytest.fixture
def recorded(database: Path) -> Path:
    """A database with one run taken in, one that waits, and a write-ahead log."""
    finished(database, a_record())
    assert take_in(database).waiting == ()
    keep(database, a_record())
    database.with_name(database.name + ".wal").touch()
    return database


def put(path: Path, database: Path | None = None, content: bytes = NEW) -> None:
    with Destination.open(path, database).writing() as file:
        file.write(content)


def hard_link(path: Path, to: Path) -> Path:
    path.hardlink_to(to)
    return path


def symlink(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


def test_no_name_of_the_database_can_be_overwritten(recorded: Path, tmp_path: Path) -> None:
    waiting = next(spool_root(recorded).glob("*/run.json"))
    opened = recorded.open("rb")
    names = [
        recorded,
        Path(os.path.relpath(recorded)),
        symlink(tmp_path / "symlink", recorded),
        symlink(tmp_path / "folder", recorded.parent) / recorded.name,
        hard_link(tmp_path / "hardlink", recorded),
        Path(f"/proc/self/fd/{opened.fileno()}"),
        Path(f"/dev/fd/{opened.fileno()}"),
        *(recorded.with_name(recorded.name + end) for end in (".wal", ".tmp", ".v1.backup")),
        waiting,
        hard_link(tmp_path / "of-the-spool", waiting),
        waiting.with_name("new"),
        spool_root(recorded) / "new",
    ]
    before = recorded.read_bytes()
    for name in names:
        with pytest.raises(SbtraceError, match="not to be overwritten: name another -o FILE"):
            put(name, recorded)
    assert recorded.read_bytes() == before
    assert waiting.stat().st_size > len(NEW)
    opened.close()


def test_a_database_that_is_yet_to_be_made_has_its_name_already(database: Path) -> None:
    database.parent.mkdir()
    with pytest.raises(SbtraceError, match="a file of the database"):
        put(database, database)
    put(database.with_suffix(".json"), database)


def test_another_database_is_not_overwritten_either(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(SbtraceError, match="is a DuckDB database"):
        put(recorded, tmp_path / "other.duckdb")
    with Reader(recorded) as reader:
        assert len(reader.execute("FROM runs")) == 1


def test_no_verb_writes_over_the_database(recorded: Path) -> None:
    command = Path(sys.executable).parent / "sbtrace"
    words = ("--db", recorded, "-o", recorded)
    for verb in (
        ["run", *words, "true"],
        ["query", *words, "FROM runs"],
        ["query", *words, "--format", "parquet", "FROM runs"],
        ["query", *words, "--list"],
    ):
        ended = support.run([command, *verb])
        assert ended.returncode == 125, ended.stderr
        assert "not to be overwritten: name another -o FILE" in ended.stderr
    with Reader(recorded) as reader:
        assert len(reader.execute("FROM runs")) == 1


def test_a_file_is_replaced_with_its_mode_and_through_its_link(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_bytes(OLD)
    file.chmod(0o640)
    link = symlink(tmp_path / "link", file)
    put(link)
    assert link.is_symlink()
    assert file.read_bytes() == NEW
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"report", "link"}


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "report")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o640


def test_what_is_written_half_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_bytes(OLD)

    def half(place: Destination) -> None:
        with place.writing() as out:
            out.write(NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half(Destination.open(file, None))
    assert file.read_bytes() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report"
    file.write_bytes(OLD)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(SbtraceError, match=r"report: cannot be written: No space left on device"):
        put(file)
    assert file.read_bytes() == OLD


def test_a_file_system_without_unnamed_files_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.open

    def without(path: object, flags: int, *args: object, **how: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return really(path, flags, *args, **how)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "open", without)
    put(tmp_path / "report")
    assert (tmp_path / "report").read_bytes() == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_file_of_two_names_keeps_both(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_bytes(OLD + OLD)
    other = hard_link(tmp_path / "other", file)
    put(file)
    assert other.read_bytes() == NEW


def test_a_fifo_and_a_device_are_written_as_they_are(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        put(fifo)
        assert reader.communicate()[0] == NEW
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    put(Path("/dev/null"))


def test_a_descriptor_of_ours_is_written_where_it_stands(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as out:
        out.write(OLD)
        put(Path(f"/dev/fd/{out.fileno()}"))
    assert (tmp_path / "out").read_bytes() == OLD + NEW


def test_a_place_that_cannot_be_written_is_said_before_anything_is(tmp_path: Path) -> None:
    for name, reason in {
        tmp_path: "Is a directory",
        tmp_path / "missing" / "report": "No such file or directory",
        Path("nul\0"): r"(\w+: )?embedded null",  # Python 3.13 names the call first
    }.items():
        with pytest.raises(SbtraceError, match=f"cannot be written: {reason}"):
            Destination.open(name, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_what_another_user_left_in_a_folder_of_all_is_not_written(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    aim = tmp_path / "aim"
    aim.write_bytes(OLD)
    link, file = symlink(shared / "link", aim), shared / "file"
    file.write_bytes(OLD)
    for planted in (link, file):
        os.chown(planted, support.NOBODY, support.NOBODY, follow_symlinks=False)
        with pytest.raises(SbtraceError, match="in a folder that others write to"):
            put(planted)
    assert aim.read_bytes() == file.read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_a_link_of_ones_own_leads_to_no_file_of_another_in_a_folder_of_all(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    planted = shared / "file"
    planted.write_bytes(OLD)
    os.chown(planted, support.NOBODY, support.NOBODY)
    with pytest.raises(SbtraceError, match="in a folder that others write to"):
        put(symlink(tmp_path / "link", planted))
    assert planted.read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_folder_that_may_be_written_but_not_listed_will_do(public_folder: Path) -> None:
    folder = public_folder / "drop"
    folder.mkdir(mode=0o300)
    os.chown(folder, support.NOBODY, support.NOBODY)
    os.seteuid(support.NOBODY)
    try:
        put(folder / "report")
    finally:
        os.seteuid(0)
    assert (folder / "report").read_bytes() == NEW


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_root_replaces_a_file_of_a_user_as_that_users(tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.write_bytes(OLD)
    os.chown(file, support.NOBODY, support.NOBODY)
    put(file)
    assert (file.read_bytes(), file.owner()) == (NEW, "nobody")
