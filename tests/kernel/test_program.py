"""The BPF program: compiled once for all kernels, linked for this one, verified at each start."""

from __future__ import annotations

import ctypes
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support import ROOT
from tracer.collectors.kernel import built, cache, libbpf, offsets
from tracer.collectors.kernel import compile as compiler
from tracer.collectors.kernel.program import Program
from tracer.collectors.kernel.variant import variant
from tracer.errors import KernelError

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.kernel
VERIFIED_AT = 216
"""Where verified_insns lies in struct bpf_prog_info (include/uapi/linux/bpf.h)."""


NOT_LOGGING = variant(logging=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources with nothing built; what is kept is kept beside it."""
    copy = tmp_path / "bpf"
    shutil.copytree(ROOT / "bpf", copy, ignore=shutil.ignore_patterns("built"))
    for module in (built, cache, compiler):
        monkeypatch.setattr(module, "bpf_dir", lambda: copy)
    for name in ("load", "save"):
        monkeypatch.setattr(cache, name, partial(getattr(cache, name), folder=tmp_path / "kept"))
    return copy


@pytest.mark.parametrize("logging", [False, True])
def test_linked_for_this_kernel_it_is_what_a_compiler_for_this_kernel_makes(logging: bool) -> None:
    """Instruction for instruction: no stand-in is left, and no offset is asked for in vain."""
    which = variant(logging=logging)
    values = offsets.kernel_values() | offsets.namespace_values()
    once, direct = compiler.compile_program(which), compiler.compile_with(which, values)
    descriptors = {name: 3 + i for i, name in enumerate(once.maps)}
    assert (once.maps, once.btf) == (direct.maps, direct.btf)
    for name, code in direct.programs.items():
        assert code.values == []
        assert once.linked(name, descriptors, values) == direct.linked(name, descriptors, {})
    used = {gap for code in once.programs.values() for _, gap in code.values}
    assert used == set(offsets.names(which.machine))


def test_what_was_built_is_loaded_without_a_compiler(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start on a kernel; the second one does not need what was built either."""
    built.build(NOT_LOGGING)
    monkeypatch.delattr(compiler, "compile_program")
    Program(lambda _record: None).close()
    shutil.rmtree(folder / "built")
    Program(lambda _record: None).close()


def test_what_was_built_has_the_owner_of_the_sources(folder: Path) -> None:
    """Where `make setup` asked sudo for it, nothing in the user's checkout is root's."""
    shutil.chown(folder, 65534, 65534)
    path = built.build(NOT_LOGGING)
    for made in (path, path.parent):
        assert (made.stat().st_uid, made.stat().st_gid) == (65534, 65534)
    assert [made.name for made in path.parent.iterdir()] == [f"{NOT_LOGGING.name}.json"]


def test_only_what_was_built_of_these_sources_is_used(folder: Path) -> None:
    """None may have been; and none is used of a changed file, beside one more, of another
    variant, or in pieces."""
    assert built.load(NOT_LOGGING) is None
    path = built.build(NOT_LOGGING)
    whole = path.read_bytes()
    assert built.load(NOT_LOGGING) is not None
    source = folder / "table.h"
    text = source.read_text()
    source.write_text(text + "/* another */\n")
    assert built.load(NOT_LOGGING) is None
    source.write_text(text)
    assert built.load(NOT_LOGGING) is not None
    (folder / "include" / "another.h").touch()
    assert built.load(NOT_LOGGING) is None
    (folder / "include" / "another.h").unlink()
    for part in (b"", b"{}", b"[]", whole[:-9]):
        path.write_bytes(part)
        assert built.load(NOT_LOGGING) is None
    path.with_name(f"{variant(logging=True).name}.json").write_bytes(whole)
    assert built.load(variant(logging=True)) is None


@pytest.mark.parametrize("path", ["task_struct.no_such_field", "no_such_struct.field"])
def test_a_field_that_the_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(offsets, "_FIELDS", (path,))
    with pytest.raises(KernelError, match=path):
        offsets.kernel_values()


def verified(fd: int) -> int:
    """How many instructions the verifier walked: those on several paths count for each."""
    info = (ctypes.c_uint8 * (VERIFIED_AT + 4))()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    failed = libbpf.lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
    assert not failed
    return int.from_bytes(bytes(info)[VERIFIED_AT:], "little")


@pytest.mark.parametrize("logged", [frozenset[int](), frozenset({1})])
def test_the_verifier_has_little_to_walk(logged: frozenset[int]) -> None:
    """Each start waits for it, a millisecond for about 1,200 instructions. A loop that it walks
    turn by turn, or branches that double the paths, were tens of thousands."""
    program = Program(lambda _record: None, logged)
    try:
        walked = {name: verified(fd) for name, fd in program._programs.items()}
    finally:
        program.close()
    assert min(walked.values()) > 0
    assert sum(walked.values()) < 12_000, walked
