"""A frame is never named from a file that is not the one that was mapped."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.symbols.support import Capture, capture, compile_c, innermost_of
from tracer.symbols import BuildIdFrame, Mapping, Namer, RawStack

if TYPE_CHECKING:
    from tracer.model import Frame

pytestmark = pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="the target is for x86_64 and arm64"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("identity") / "program", "-pie", "-fPIE")


@pytest.fixture(scope="module")
def trapped(program: Path) -> Capture:
    return capture(program, "nice", program.parent / "trapped")


def functions(raw: RawStack) -> list[str | None]:
    return [frame.function for frame in Namer().frames(raw)]


def libc_of(raw: RawStack) -> Mapping:
    return next(m for m in raw.mappings if m.name and m.name.startswith("libc"))


def with_libc(raw: RawStack, libc: Mapping) -> RawStack:
    others = tuple(m for m in raw.mappings if m != libc_of(raw))
    return raw._replace(mappings=(*others, libc))


def test_a_library_is_held_against_its_inode_and_device(trapped: Capture) -> None:
    frame = Namer().frames(trapped.raw)[0]
    assert frame.object is not None
    found = os.stat(frame.object)  # noqa: PTH116 - compared with numbers of stat
    libc = libc_of(trapped.raw)
    assert (found.st_ino, found.st_dev) == (libc.inode, libc.device)


@pytest.mark.parametrize("field", ["inode", "device"])
def test_a_library_of_the_same_name_but_another_identity_is_not_used(
    field: str, trapped: Capture
) -> None:
    libc = libc_of(trapped.raw)
    other = libc._replace(**{field: 12345})
    frames = Namer().frames(with_libc(trapped.raw, other))
    assert [(f.object, f.function, f.offset) for f in frames] == [(libc.path, None, None)]


def test_a_build_id_finds_a_library_and_refuses_another(trapped: Capture) -> None:
    libc = libc_of(trapped.raw)
    good = Namer().frames(trapped.raw)[0].build_id
    anonymous = libc._replace(inode=None, device=None)
    named = functions(with_libc(trapped.raw, anonymous._replace(build_id=good)))
    assert named == functions(trapped.raw)
    wrong = anonymous._replace(build_id="ab" * 20)
    assert functions(with_libc(trapped.raw, wrong)) == [None]


def test_a_name_without_identity_is_not_enough(trapped: Capture) -> None:
    libc = libc_of(trapped.raw)._replace(inode=None, device=None, path=None)
    assert functions(with_libc(trapped.raw, libc)) == [None]


def test_a_path_from_the_kernel_without_identity_must_have_the_extent_of_the_mapping(
    trapped: Capture,
) -> None:
    path = Namer().frames(trapped.raw)[0].object
    libc = libc_of(trapped.raw)._replace(inode=None, device=None, path=path)
    assert functions(with_libc(trapped.raw, libc)) == functions(trapped.raw)
    shorter = libc._replace(end=libc.end - 4096)
    assert functions(with_libc(trapped.raw, shorter)) == [None]


def test_the_kernels_build_id_of_the_innermost_frame_finds_a_library_that_nobody_saw_mapped(
    trapped: Capture,
) -> None:
    """Its load address follows from the instruction pointer and the file offset."""
    first = Namer().frames(trapped.raw)[0]
    assert first.build_id is not None
    assert first.offset is not None
    seen = BuildIdFrame(1, bytes.fromhex(first.build_id), first.offset, None)
    unseen = trapped.raw._replace(mappings=(), build_id_frames=(seen,))
    assert functions(unseen) == functions(trapped.raw)
    assert functions(trapped.raw._replace(mappings=())) == [None]


def test_a_program_that_was_built_anew_since_is_not_named_from(tmp_path: Path) -> None:
    program = compile_c(tmp_path / "program")
    seen = capture(program, "nice", tmp_path / "seen")
    assert "violate" in functions(seen.raw)
    compile_c(program, "-O0")
    assert "violate" not in functions(seen.raw)


def test_one_namer_keeps_two_builds_at_one_path_apart(tmp_path: Path) -> None:
    """As when make builds and runs the same program twice within a run."""
    program, namer = tmp_path / "program", Namer()
    for options in (("-O1",), ("-O0",), ("-O2",)):
        compile_c(program, *options)
        seen = capture(program, "nice", tmp_path / "seen")
        frames = namer.frames(seen.raw)
        assert tuple(frame.address for frame in frames) == seen.trace
        assert "violate" in [frame.function for frame in frames]


def test_the_inode_of_the_program_decides_where_the_caller_knows_it(
    trapped: Capture, program: Path, tmp_path: Path
) -> None:
    start, end = trapped.raw.code_start, trapped.raw.code_end
    assert start is not None
    assert end is not None
    status = program.stat()
    page = start - start % 4096
    own = Mapping(page, end, 0x1000, None, "program", status.st_ino, status.st_dev)
    known = trapped.raw._replace(mappings=(*trapped.raw.mappings, own))
    assert functions(known) == functions(trapped.raw)
    copy = shutil.copy2(program, tmp_path / "copy")
    assert "violate" not in functions(known._replace(executable=str(copy)))


def test_the_inode_of_the_programs_file_refuses_a_copy_of_it(
    trapped: Capture, program: Path, tmp_path: Path
) -> None:
    """The same bytes, but not the same file: nobody has seen that one run."""
    status = program.stat()
    own = trapped.raw._replace(executable_inode=status.st_ino, executable_device=status.st_dev)
    assert functions(own) == functions(trapped.raw)
    copy = shutil.copy2(program, tmp_path / "copy")
    assert "violate" in functions(trapped.raw._replace(executable=str(copy)))
    assert "violate" not in functions(own._replace(executable=str(copy)))


def test_a_program_written_anew_in_place_is_not_named_from(tmp_path: Path) -> None:
    """It keeps its inode, but the extent of its code is another."""
    program, other = tmp_path / "program", compile_c(tmp_path / "other", "-O0")
    compile_c(program)
    seen = capture(program, "nice", tmp_path / "seen")
    status = program.stat()
    raw = seen.raw._replace(executable_inode=status.st_ino, executable_device=status.st_dev)
    assert "violate" in functions(raw)
    program.write_bytes(other.read_bytes())
    assert program.stat().st_ino == status.st_ino
    assert "violate" not in functions(raw)


def test_a_script_leads_to_the_program_that_interprets_it(
    trapped: Capture, program: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(f"#! {program} -x\n")
    raw = trapped.raw._replace(executable=str(script))
    frames = Namer().frames(raw)
    assert "violate" in [frame.function for frame in frames]


def test_a_program_of_unknown_path_keeps_its_frames_without_names(trapped: Capture) -> None:
    frames = Namer().frames(trapped.raw._replace(executable=None))
    assert [f.function for f in frames][:2] == functions(trapped.raw)[:2]
    assert all(f.object is None and f.function is None for f in frames[2:3])


def test_a_library_whose_path_is_unknown_is_not_looked_for_by_its_name(trapped: Capture) -> None:
    """The kernel tells the path of what is mapped; where it could not, the name is not one."""
    libc = libc_of(trapped.raw)
    frames = Namer().frames(with_libc(trapped.raw, libc._replace(path=None)))
    assert [(f.object, f.function) for f in frames] == [(libc.name, None)]


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "loop", "empty", "missing", "null"])
def test_what_is_no_regular_file_is_never_opened(
    kind: str, trapped: Capture, tmp_path: Path
) -> None:
    """A FIFO would hold sbtrace up for ever, a device may act on being opened."""
    path = str(tmp_path / kind)
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path = "/dev/zero"
        case "folder":
            Path(path).mkdir()
        case "loop":
            Path(path).symlink_to(path)
        case "empty":
            Path(path).touch()
        case "null":
            path = "a\0b"
    raw = trapped.raw._replace(executable=path)
    assert functions(raw)[:2] == functions(trapped.raw)[:2]
    assert "violate" not in functions(raw)


def test_symbols_come_from_the_separate_debug_file_of_a_stripped_program(tmp_path: Path) -> None:
    if shutil.which("objcopy") is None:
        pytest.skip("no objcopy on PATH")
    program = compile_c(tmp_path / "program", "-g")
    debug = tmp_path / "program.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", program], check=True)
    seen = capture(program, "nice", tmp_path / "seen")
    bare = Namer().frames(seen.raw)
    assert "violate" not in [frame.function for frame in bare]
    installed = _install(debug, bare, program, tmp_path / "debug")
    named = [frame.function for frame in Namer(debug_root=installed).frames(seen.raw)]
    assert "violate" in named
    assert "main" in named


def _install(debug: Path, frames: tuple[Frame, ...], program: Path, root: Path) -> str:
    own = innermost_of(frames, str(program))
    assert own.build_id is not None
    place = root / ".build-id" / own.build_id[:2] / f"{own.build_id[2:]}.debug"
    place.parent.mkdir(parents=True)
    debug.rename(place)
    return str(root)
