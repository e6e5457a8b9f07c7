"""The kept program gets loaded into the kernel: only what root alone could write is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.test_kernel_artifact import ARTIFACT
from tracer.collectors.kernel import cache

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone keeps programs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@root
def test_what_is_kept_is_found_again(folder: Path) -> None:
    """For root alone, and without leavings."""
    cache.save("name", ARTIFACT, folder)
    assert cache.load("name", folder) == ARTIFACT
    assert names(folder) == ["name"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "name").stat().st_mode & 0o777 == 0o600


def test_there_may_be_none(folder: Path) -> None:
    """Neither folder nor file is needed."""
    assert cache.load("name", folder) is None
    folder.mkdir(mode=0o700)
    assert cache.load("name", folder) is None


@root
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(folder: Path, mode: int) -> None:
    """Neither read nor written."""
    cache.save("name", ARTIFACT, folder)
    folder.chmod(mode)
    assert cache.load("name", folder) is None
    cache.save("other", ARTIFACT, folder)
    assert names(folder) == ["name"]


@root
@pytest.mark.parametrize("mode", [0o660, 0o602])
def test_a_file_that_others_may_write_to_is_not_read(folder: Path, mode: int) -> None:
    cache.save("name", ARTIFACT, folder)
    (folder / "name").chmod(mode)
    assert cache.load("name", folder) is None


@root
def test_a_folder_or_file_of_somebody_else_is_not_used(folder: Path) -> None:
    cache.save("name", ARTIFACT, folder)
    os.chown(folder / "name", NOBODY, NOBODY)
    assert cache.load("name", folder) is None
    os.chown(folder / "name", 0, 0)
    os.chown(folder, NOBODY, NOBODY)
    assert cache.load("name", folder) is None


@root
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """Neither for the folder nor for the file, for reading or for writing."""
    cache.save("name", ARTIFACT, folder)
    (tmp_path / "link").symlink_to(folder)
    assert cache.load("name", tmp_path / "link") is None
    cache.save("other", ARTIFACT, tmp_path / "link")
    (folder / "linked").symlink_to("name")
    assert cache.load("linked", folder) is None
    assert names(folder) == ["linked", "name"]


@root
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_plain_file_is_not_read(folder: Path, make: object) -> None:
    """A pipe would make the reader wait for ever."""
    folder.mkdir(mode=0o700)
    make(folder / "name")  # type: ignore[operator]
    assert cache.load("name", folder) is None


@root
def test_half_a_program_is_none(folder: Path) -> None:
    cache.save("name", ARTIFACT, folder)
    path = folder / "name"
    path.write_bytes(path.read_bytes()[:-100])
    assert cache.load("name", folder) is None
    cache.save("name", ARTIFACT, folder)
    assert cache.load("name", folder) == ARTIFACT


@root
def test_the_oldest_are_forgotten(folder: Path) -> None:
    """Kernels and versions come and go."""
    for i in range(11):
        cache.save(f"n{i}", ARTIFACT, folder)
        os.utime(folder / f"n{i}", (i, i))
    cache.save("last", ARTIFACT, folder)
    kept = set(names(folder))
    assert {"last", "n10"} <= kept
    assert "n0" not in kept
    assert len(kept) == 8


@root
def test_where_nothing_can_be_kept_nothing_is_said(tmp_path: Path) -> None:
    """The next start compiles again."""
    (tmp_path / "file").write_text("")
    cache.save("name", ARTIFACT, tmp_path / "file" / "kept")
    cache.save("name", ARTIFACT, tmp_path / "file")


def test_a_program_is_that_of_its_options() -> None:
    """Sources, options, kernel and compiler decide its name; the same ones give the same."""
    assert cache.key(["-DA=1"]) == cache.key(["-DA=1"])
    assert cache.key(["-DA=1"]) != cache.key(["-DA=2"])
    assert cache.key(["-DA", "-DB"]) != cache.key(["-DA-DB"])


def test_a_program_is_that_of_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change in any C file, or a file more, is another program."""
    (tmp_path / "include").mkdir()
    (tmp_path / "a.c").write_text("a")
    (tmp_path / "include" / "b.h").write_text("b")
    monkeypatch.setattr(cache, "bpf_dir", lambda: tmp_path)
    keys = {cache.key([])}
    (tmp_path / "include" / "b.h").write_text("c")
    keys.add(cache.key([]))
    (tmp_path / "include" / "d.h").write_text("")
    keys.add(cache.key([]))
    assert len(keys) == 3


def test_a_program_is_that_of_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its release, and its build beyond that."""
    before = cache.key([])
    there = os.uname()
    other = (there.sysname, there.nodename, "0.0.1", there.version, there.machine)
    monkeypatch.setattr("os.uname", lambda: os.uname_result(other))
    assert cache.key([]) != before


def test_no_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is led to no other place."""
    for name in ("XDG_CACHE_HOME", "HOME", "TMPDIR", "SBTRACE_CACHE"):
        monkeypatch.setenv(name, "/tmp/elsewhere")
    assert str(cache.FOLDER) == "/var/cache/sbtrace"
