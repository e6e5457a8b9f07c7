"""The kept program gets loaded into the kernel: only what root alone could write is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.collectors.kernel.test_artifact import ARTIFACT
from tracer.collectors.kernel.program import cache
from tracer.collectors.kernel.program.variant import MAKERS, Feature, Variant

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534
KEPT = cache.Kept(ARTIFACT, {"OFFSET_a_b": 1904})
X86 = Variant("x86_64", 4096, frozenset())
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone keeps programs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def file(made_for: str) -> str:
    """What it is kept under."""
    return cache._name(made_for)


@root
def test_what_is_kept_is_found_again(folder: Path) -> None:
    """For root alone, and without leavings."""
    cache.save("name", KEPT, folder)
    assert cache.load("name", folder) == KEPT
    assert names(folder) == {file("name")}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / file("name")).stat().st_mode & 0o777 == 0o600


def test_there_may_be_none(folder: Path) -> None:
    """Neither folder nor file is needed."""
    assert cache.load("name", folder) is None
    folder.mkdir(mode=0o700)
    assert cache.load("name", folder) is None


@root
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(folder: Path, mode: int) -> None:
    """Neither read nor written."""
    cache.save("name", KEPT, folder)
    folder.chmod(mode)
    assert cache.load("name", folder) is None
    cache.save("other", KEPT, folder)
    assert names(folder) == {file("name")}


@root
@pytest.mark.parametrize("mode", [0o660, 0o602])
def test_a_file_that_others_may_write_to_is_not_read(folder: Path, mode: int) -> None:
    cache.save("name", KEPT, folder)
    (folder / file("name")).chmod(mode)
    assert cache.load("name", folder) is None


@root
def test_a_folder_or_file_of_somebody_else_is_not_used(folder: Path) -> None:
    cache.save("name", KEPT, folder)
    os.chown(folder / file("name"), NOBODY, NOBODY)
    assert cache.load("name", folder) is None
    os.chown(folder / file("name"), 0, 0)
    os.chown(folder, NOBODY, NOBODY)
    assert cache.load("name", folder) is None


@root
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """Neither for the folder nor for the file, for reading or for writing."""
    cache.save("name", KEPT, folder)
    (tmp_path / "link").symlink_to(folder)
    assert cache.load("name", tmp_path / "link") is None
    cache.save("other", KEPT, tmp_path / "link")
    (folder / file("linked")).symlink_to(file("name"))
    assert cache.load("linked", folder) is None
    assert names(folder) == {file("linked"), file("name")}


@root
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_plain_file_is_not_read(folder: Path, make: object) -> None:
    """A pipe would make the reader wait for ever."""
    folder.mkdir(mode=0o700)
    make(folder / file("name"))  # type: ignore[operator]
    assert cache.load("name", folder) is None


@root
def test_half_a_program_is_none(folder: Path) -> None:
    cache.save("name", KEPT, folder)
    path = folder / file("name")
    path.write_bytes(path.read_bytes()[:-100])
    assert cache.load("name", folder) is None
    cache.save("name", KEPT, folder)
    assert cache.load("name", folder) == KEPT


@root
def test_the_oldest_are_forgotten(folder: Path) -> None:
    """Kernels and versions come and go."""
    for i in range(11):
        cache.save(f"n{i}", KEPT, folder)
        os.utime(folder / file(f"n{i}"), (i, i))
    cache.save("last", KEPT, folder)
    kept = names(folder)
    assert {file("last"), file("n10")} <= kept
    assert file("n0") not in kept
    assert len(kept) == 8


@root
def test_where_nothing_can_be_kept_nothing_is_said(tmp_path: Path) -> None:
    """The next start compiles again."""
    (tmp_path / "file").write_text("")
    cache.save("name", KEPT, tmp_path / "file" / "kept")
    cache.save("name", KEPT, tmp_path / "file")


@root
def test_what_was_kept_for_something_else_is_not_used(folder: Path) -> None:
    """Not even under the same name: two identities may share it."""
    cache.save("name", KEPT, folder)
    (folder / file("name")).rename(folder / file("other"))
    assert cache.load("other", folder) is None


@pytest.mark.parametrize(
    "other", [X86._replace(features=frozenset({Feature.LOGGING})), X86._replace(page_bytes=16384)]
)
def test_a_program_is_that_of_its_variant(other: Variant) -> None:
    assert cache.identity(X86) == cache.identity(X86)
    assert cache.identity(X86) != cache.identity(other)


def test_a_program_is_that_of_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change in any C file, or a file more, is another program; also a change of the same
    size that an installer dates back."""
    (tmp_path / "include").mkdir()
    (tmp_path / "a.c").write_text("a")
    header = tmp_path / "include" / "b.h"
    header.write_text("b")
    os.utime(header, ns=(1, 1))
    monkeypatch.setattr(cache, "bpf_dir", lambda: tmp_path)
    seen = {cache.identity(X86)}
    before = header.stat().st_ctime_ns
    while header.stat().st_ctime_ns == before:  # kernels before 6.13 tell time by the tick
        header.write_text("c")
        os.utime(header, ns=(1, 1))
    seen.add(cache.identity(X86))
    (tmp_path / "include" / "d.h").write_text("")
    seen.add(cache.identity(X86))
    assert len(seen) == 3


@pytest.mark.parametrize("what", ["release", "version"])
def test_a_program_is_that_of_its_kernel(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    before = cache.identity(X86)
    fields = ("sysname", "nodename", "release", "version", "machine")
    asked = os.uname()
    another = os.uname_result("another" if f == what else getattr(asked, f) for f in fields)
    monkeypatch.setattr(os, "uname", lambda: another)
    assert cache.identity(X86) != before


def test_no_environment_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root is led to no other place."""
    for name in ("XDG_CACHE_HOME", "HOME", "TMPDIR", "SBTRACE_CACHE"):
        monkeypatch.setenv(name, "/tmp/elsewhere")
    assert str(cache.FOLDER) == "/var/cache/sbtrace"


def test_a_change_of_what_makes_programs_of_the_sources_is_another_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = tmp_path / "compile.py"
    maker.write_text("one")
    monkeypatch.setattr(cache, "MAKERS", (maker,))
    before = cache.identity(X86)
    assert cache.identity(X86) == before
    maker.write_text("another")
    assert cache.identity(X86) != before


def test_all_that_makes_programs_of_the_sources_is_there() -> None:
    assert all(maker.is_file() for maker in MAKERS)
