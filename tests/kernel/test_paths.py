"""Paths of refused calls: read where the kernel has not looked, kept with a count for each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel.refusing import Refusing
from tests.unit.symbols.support import compile_c

if TYPE_CHECKING:
    from tests.support import Sbtrace

pytestmark = pytest.mark.kernel
PATHS, TIMES, MORE = 7, 3, 2053
"""As paths.c has them."""
ROOM = 2048
"""Distinct paths that a run keeps: the map ``texts`` of bpf/sbtrace.c."""
ERRNO = '[errno]\nEPERM = ["mkdirat", "renameat2"]'


@pytest.fixture(scope="module")
def paths(public_folder: Path) -> Path:
    """The compiled paths.c."""
    return compile_c(public_folder / "paths", source=Path(__file__).with_name("paths.c"))


@pytest.fixture
def refusing(sbtrace: Sbtrace, public_folder: Path) -> Refusing:
    return Refusing(sbtrace, public_folder)


def said(refusing: Refusing, name: str = "mkdirat") -> list[list[str | None]]:
    return [row["paths"] for row in refusing.rows() if row["name"] == name]


def test_each_path_in_one_buffer_has_its_row_and_its_count(refusing: Refusing, paths: Path) -> None:
    """The registers are the same for all of them, and so is the stack."""
    recorded = refusing(ERRNO, paths, "numbered")
    rows = refusing.rows()
    assert {(row["paths"][0], row["count"]) for row in rows} == {
        (f"/path/{number}", TIMES) for number in range(PATHS)
    }
    assert len({tuple(row["args"]) for row in rows}) == 1
    assert len({str(row["frames"]) for row in rows}) == 1
    assert recorded.record["blocked_syscalls"] == PATHS * TIMES
    assert refusing.losses() == {}


def test_what_cannot_be_read_is_null_and_said(refusing: Refusing, paths: Path) -> None:
    """A page that nobody may read; no pointer at all; one path of two; too long; empty."""
    refusing(ERRNO, paths, "odd")
    longest = "x" * 239 + "…"
    assert said(refusing) == [[None], [None], [longest], [""]]
    assert said(refusing, "renameat2") == [['from "\\xff\n', None], ["from", "to"]]
    shown = " ".join(refusing.sbtrace("why", "--all").stdout.split())
    assert shown.count("/* could not be read */") == 2
    assert "mkdirat(AT_FDCWD, NULL, 0700)" in shown
    assert 'renameat2(AT_FDCWD, "from", AT_FDCWD, "to", 0)' in shown


def test_a_call_that_killed_and_one_that_was_logged_have_their_paths(
    refusing: Refusing, paths: Path
) -> None:
    refusing('kill_process = ["mkdirat"]', paths, "numbered")
    assert said(refusing) == [["/path/0"]]
    assert 'mkdirat(AT_FDCWD, "/path/0", 0700)' in refusing.sbtrace("why").stdout
    refusing('log = ["mkdirat"]\nerrno = {EPERM = ["renameat2"]}', paths, "numbered")
    (run,) = refusing.sbtrace.sql("SELECT run_id FROM runs ORDER BY started_at DESC LIMIT 1")
    rows = [row for row in refusing.rows() if row["run_id"] == run["run_id"]]
    assert {(row["action"], row["paths"][0], row["count"]) for row in rows} == {
        ("LOG", f"/path/{number}", TIMES) for number in range(PATHS)
    }


def test_more_paths_than_there_is_room_for_leave_every_call_counted(
    refusing: Refusing, paths: Path
) -> None:
    """One row has the calls without a path, and the loss says how many."""
    recorded = refusing(ERRNO, paths, "more")
    rows = refusing.rows()
    assert sum(row["count"] for row in rows) == MORE
    assert len([row for row in rows if row["paths"]]) == ROOM
    assert [row["count"] for row in rows if not row["paths"]] == [MORE - ROOM]
    assert refusing.losses() == {"lost_texts": MORE - ROOM}
    assert recorded.record["exact"]


def test_a_program_that_unlinked_itself_is_named_by_its_path(
    refusing: Refusing, paths: Path, public_folder: Path
) -> None:
    """Its file cannot be read any more, so it has no functions; which file it was is known."""
    program = public_folder / "gone"
    shutil.copy(paths, program)
    recorded = refusing(ERRNO, program, "unlinked")
    assert recorded.process.returncode == 0
    (row,) = refusing.rows()
    assert row["paths"] == ["/gone"]
    frames: list[dict[str, Any]] = row["frames"]
    assert {frame["object"] for frame in frames if "libc" not in str(frame["object"])} == {
        str(program)
    }
