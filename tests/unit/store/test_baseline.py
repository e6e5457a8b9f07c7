"""The file of a baseline: read as it was written, and every mistake in it named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tracer.errors import SbtraceError
from tracer.profile import deciding
from tracer.store import baseline
from tracer.store.baseline import Surface
from tracer.store.destination import Destination

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.profile.deciding import Way

WHOLE = Surface(
    frozenset({("x86_64", "socket"), ("i386", "socket"), ("x86_64", "read")}),
    frozenset({("x86_64", "socket errno:EACCES")}),
    frozenset({("x86_64", "socket", (1, 2, 0)), ("x86_64", "mmap", (6,)), ("i386", "bpf", (5,))}),
    frozenset({("i386", "mmap")}),
)


def words(way: Way) -> str:
    return f"<{way[1]}>"


def write(path: Path, found: Surface) -> None:
    baseline.accept(Destination.open(path, None, ""), ["./a b"], "LEARNING", found, words)


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "surface.toml"
    write(path, WHOLE)
    found = baseline.read(path, may_be_missing=False)
    assert (found.accepted, found.has_values) == (WHOLE, True)
    assert "    [0x1, 0x2, 0x0], # <socket>" in path.read_text().splitlines()


def test_what_lies_beside_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "surface.toml"
    write(path, Surface())
    baseline.remember(path, WHOLE, None, words)
    assert baseline.read(path, may_be_missing=False).grown == WHOLE
    baseline.forget(path)
    assert not baseline.read(path, may_be_missing=False).grown


def test_a_file_without_a_version_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "surface.toml"
    path.write_text('[calls]\nx86_64 = ["read"]\n')
    found = baseline.read(path, may_be_missing=False)
    assert (found.has_values, found.accepted) == (False, Surface(frozenset({("x86_64", "read")})))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 3\n", "of version 3, and this sbtrace knows 2: use a newer sbtrace"),
        ('version = "2"\n', "version must be a number"),
        ("version = true\n", "version must be a number"),
        ("version = 0\n", "version must be a number"),
        ("values = 1\n", "values must be a table"),
        ("[values]\nx86_64 = [1]\n", "values.x86_64 must be a table"),
        ("[values.x86_64]\nread = [[1]]\n", "values.x86_64.read: of this call no arguments are"),
        ("[values.x86_64]\nbpf = [1]\n", "values.x86_64.bpf must be a list of [numbers]"),
        ("[values.x86_64]\nbpf = [[1, 2]]\n", "of at most [0xffffffff]"),
        ("[values.x86_64]\nbpf = [[-1]]\n", "values.x86_64.bpf must be a list of [numbers]"),
        ("[values.x86_64]\nbpf = [[true]]\n", "values.x86_64.bpf must be a list of [numbers]"),
        ("[values.x86_64]\nmmap = [[1]]\n", "of at most [0x6]"),
        ("[unknown]\nx86_64 = [1]\n", "unknown.x86_64 must be a list of texts"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "surface.toml"
    path.write_text(text)
    with pytest.raises(SbtraceError) as caught:
        baseline.read(path, may_be_missing=False)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_of_recorded_registers_the_bits_that_tell_calls_apart_are_kept() -> None:
    """A socket is not another one by SOCK_CLOEXEC, and no upper half of a register counts."""
    assert deciding.decisive("socket", [1, 0o2000002, 0]) == (1, 2, 0)
    assert deciding.decisive("prctl", [0x1234_0000_0003]) == (3,)
    assert deciding.decisive("mmap", [7, 0x22]) == (6,)
