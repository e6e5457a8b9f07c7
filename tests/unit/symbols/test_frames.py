"""Frames of real programs, dead by the time they are named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.unit.symbols.support import PLUGIN, Capture, capture, compile_c, innermost_of
from tracer.symbols import BuildIdFrame, Namer
from tracer.symbols.unwind import MAX_FRAMES

if TYPE_CHECKING:
    from pathlib import Path

    from tracer.model import Frame

pytestmark = pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="the target is for x86_64 and arm64"
)

BUILDS = {
    "pie": ("-pie", "-fPIE"),
    "no-pie": ("-no-pie", "-fno-pie"),
    "static": ("-static",),
    "static-pie": ("-static-pie", "-fPIE"),
    "stripped": ("-s",),
    "static-stripped": ("-static", "-s"),
    "no-build-id": ("-Wl,--build-id=none",),
    "one-segment": ("-Wl,-z,noseparate-code",),
    "gold": ("-fuse-ld=gold",),
    "unoptimised": ("-O0",),
    "c++": ("-x", "c++"),
}
# The innermost frames of each way to make a call, as far as every C library has them.
WAYS = {
    "nice": ["setpriority", "nice", "violate", "main"],
    "qsort": ["syscall", "leaf", "compare", "sorts", "main"],
    "printf": ["write", "prints", "main"],
    "getaddrinfo": ["socket", "getaddrinfo", "resolves", "main"],
    "thread": ["syscall", "leaf", "in_thread"],
    "large": ["syscall", "leaf", "large_frame", "main"],
    "recurse": ["syscall", "leaf", "recurse", "recurse"],
    "signal": ["syscall", "leaf", "on_usr1", "raise", "signals", "main"],
    "plugin": ["syscall", "leaf", "inner", "plugin_run", "calls_plugin", "main"],
    "vdso": ["clock_gettime", "asks_time", "main"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("symbols")


@pytest.fixture(scope="module")
def plugin(folder: Path) -> Path:
    return compile_c(folder / "plugin.so", "-shared", "-fPIC", source=PLUGIN)


@pytest.fixture(scope="module")
def pie(folder: Path) -> Path:
    return compile_c(folder / "with-lines", "-g", "-pie", "-fPIE")


@pytest.fixture(scope="module")
def trapped(pie: Path, folder: Path) -> Capture:
    return capture(pie, "nice", folder / "trapped")


def names(frames: tuple[Frame, ...]) -> list[str | None]:
    return [frame.function for frame in frames]


def contains_in_order(found: list[str | None], wanted: list[str]) -> bool:
    rest = iter(found)
    return all(name in rest for name in wanted)


@pytest.mark.parametrize("build", BUILDS)
def test_every_frame_is_where_the_process_itself_found_it(
    build: str, folder: Path, plugin: Path
) -> None:
    """Offline unwinding gives the addresses that libgcc's unwinder gave while it lived."""
    program = compile_c(folder / build, *BUILDS[build])
    namer = Namer()
    for way in WAYS:
        seen = capture(program, way, folder / f"{build}-{way}", str(plugin))
        found = tuple(frame.address for frame in namer.frames(seen.raw))
        # libgcc's list also held its handler's frames, so it ends earlier in deep stacks.
        length = min(len(found), len(seen.trace)) if way == "recurse" else len(found)
        assert found[:length] == seen.trace[: len(found)], way
        assert len(found) >= 3, way


@pytest.mark.parametrize("way", WAYS)
def test_frames_carry_the_names_of_their_functions(
    way: str, pie: Path, folder: Path, plugin: Path
) -> None:
    """The caller of a libc wrapper is named, through callbacks, threads, signals, the vdso."""
    seen = capture(pie, way, folder / f"names-{way}", str(plugin))
    frames = Namer().frames(seen.raw)
    assert contains_in_order(names(frames), WAYS[way]), names(frames)
    own = innermost_of(frames, str(pie))
    assert own.object == str(pie)
    assert own.function == next(n for n in WAYS[way] if n in _own_functions(frames, str(pie)))


def test_who_calls_clone_is_named_although_libc_ends_its_rules_before_the_call(
    pie: Path, folder: Path
) -> None:
    """libgcc cannot walk it, and the kernel's frame pointers lead astray there."""
    seen = capture(pie, "starts", folder / "names-starts")
    frames = Namer().frames(seen.raw)
    assert contains_in_order(names(frames), ["starts", "main"]), names(frames)


def _own_functions(frames: tuple[Frame, ...], program: str) -> set[str | None]:
    return {frame.function for frame in frames if frame.object == program}


def test_a_stack_of_the_vdso_names_it_and_its_function(pie: Path, folder: Path) -> None:
    seen = capture(pie, "vdso", folder / "in-vdso")
    innermost = Namer().frames(seen.raw)[0]
    assert innermost.object == "[vdso]"
    assert innermost.function == "clock_gettime"


def test_a_function_of_c_plus_plus_is_named_as_its_source_has_it(folder: Path) -> None:
    program = compile_c(folder / "mangled", "-x", "c++")
    frames = Namer().frames(capture(program, "nice", folder / "mangled-nice").raw)
    assert "violate()" in names(frames)


def test_a_stripped_program_keeps_its_frames_without_names(folder: Path) -> None:
    """No symbol holds the address, so no neighbour's name is taken."""
    program = compile_c(folder / "nameless", "-s")
    frames = Namer().frames(capture(program, "nice", folder / "nameless-nice").raw)
    own = innermost_of(frames, str(program))
    assert (own.function, own.function_offset) == (None, None)
    assert own.offset is not None
    assert own.build_id is not None


def test_the_offset_is_the_virtual_address_within_the_file(trapped: Capture, pie: Path) -> None:
    """Address less load address, whatever segments the linker made."""
    own = innermost_of(Namer().frames(trapped.raw), str(pie))
    assert own.offset is not None
    assert trapped.raw.code_start is not None
    assert (own.address - own.offset) % 4096 == 0
    assert own.address - own.offset <= trapped.raw.code_start


def test_frame_pointers_are_followed_where_there_are_no_unwind_tables(
    pie: Path, folder: Path
) -> None:
    """A library without .eh_frame but with frame pointers does not end the stack."""
    options = ("-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer", "-shared", "-fPIC")
    plugin = compile_c(folder / "no-tables.so", *options, source=PLUGIN)
    seen = capture(pie, "plugin", folder / "no-tables", str(plugin))
    frames = Namer().frames(seen.raw)
    wanted = ["leaf", "inner", "plugin_run", "calls_plugin"]
    assert contains_in_order(names(frames), wanted), names(frames)


def test_what_the_kernel_saw_goes_on_where_the_copy_of_the_stack_ends(trapped: Capture) -> None:
    full = Namer().frames(trapped.raw)
    seen = tuple(BuildIdFrame(2, None, None, frame.address) for frame in full)
    short = trapped.raw._replace(stack=trapped.raw.stack[:16])
    assert len(Namer().frames(short)) < len(full)
    assert Namer().frames(short._replace(build_id_frames=seen)) == full


def test_where_a_frame_pointer_led_astray_no_frame_is_shown(trapped: Capture) -> None:
    """Code without frame pointers keeps anything in that register: often a place on the heap."""
    full = Namer().frames(trapped.raw)
    astray = (BuildIdFrame(2, None, None, trapped.raw.stack_address),) * 3
    seen = (BuildIdFrame(2, None, None, full[0].address), *astray)
    first = trapped.raw._replace(stack=b"", build_id_frames=seen)
    assert Namer().frames(first) == full[:1]


def test_build_ids_and_offsets_alone_are_turned_into_addresses(trapped: Capture) -> None:
    """With mappings known, the kernel's frames are named without registers or a stack."""
    full = Namer().frames(trapped.raw)
    assert full[0].build_id is not None
    assert full[0].offset is not None
    one = BuildIdFrame(1, bytes.fromhex(full[0].build_id), full[0].offset, None)
    bare = trapped.raw._replace(registers=(), stack=b"", build_id_frames=(one,))
    assert Namer().frames(bare) == full[:1]


def test_a_stack_has_at_most_64_frames(pie: Path, folder: Path) -> None:
    seen = capture(pie, "recurse", folder / "deep")
    assert len(Namer().frames(seen.raw)) == MAX_FRAMES


def test_a_known_stack_is_named_in_the_time_of_a_look_up(trapped: Capture) -> None:
    """Files are read once: a second stack reads none (measured by the opens, not the clock)."""
    namer = Namer()
    first = namer.frames(trapped.raw)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    assert namer.frames(trapped.raw) == first
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
