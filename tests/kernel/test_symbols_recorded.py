"""Frames that a real run records of refused calls: the process is dead when they are named."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.symbols.support import PLUGIN, compile_c

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        os.uname().machine not in ("x86_64", "aarch64"), reason="the target is for x86_64 and arm64"
    ),
]
PROFILE = """
name = "refuses"
description = "refuses what the target is about to call, and what the dynamic linker tries"
default_action = "allow"
[errno]
EPERM = ["clone", "socket", "getppid", "access"]
"""
BUILDS = {"pie": ("-pie", "-fPIE"), "no-pie": ("-no-pie",), "static": ("-static",)}


@pytest.fixture
def profile(public_folder: Path) -> Path:
    path = public_folder / "refuses.toml"
    path.write_text(PROFILE)
    return path


def frames_of(
    sbtrace: Sbtrace, name: str, profile: Path, *command: str | Path
) -> list[dict[str, Any]]:
    """Frames of the one refused call ``name`` of a run of ``command``."""
    recorded = sbtrace.run(*command, options=["--profile", profile])
    assert recorded.record["blocked_syscalls"] >= 1
    calls = sbtrace.sql("select name, frames from blocked_calls")
    found = [call["frames"] for call in calls if call["name"] == name]
    assert len(found) == 1
    return list(found[0])


def functions(frames: list[dict[str, Any]], program: Path) -> list[str]:
    return [frame["function"] for frame in frames if frame["object"] == str(program)]


@pytest.mark.parametrize("build", BUILDS)
def test_the_function_that_forked_is_named(
    build: str, sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    """Through _Fork and fork of a C library without frame pointers, out to main."""
    program = compile_c(public_folder / f"forks-{build}", *BUILDS[build])
    frames = frames_of(sbtrace, "clone", profile, program, "fork", public_folder)
    assert [frame["function"] for frame in frames][:4] == ["_Fork", "fork", "violate", "main"]
    assert functions(frames, program)[-1] == "_start"


@pytest.mark.parametrize(
    ("way", "wanted"),
    [
        ("qsort", ["leaf", "compare", "sorts", "main"]),
        ("thread", ["leaf", "in_thread"]),
        ("signal", ["leaf", "on_usr1", "signals", "main"]),
        ("plugin", ["leaf", "calls_plugin", "main"]),
    ],
)
def test_callers_are_named_through_callbacks_threads_signals_and_plugins(
    way: str, wanted: list[str], sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    program = compile_c(public_folder / f"calls-{way}")
    plugin = compile_c(public_folder / "plugin.so", "-shared", "-fPIC", source=PLUGIN)
    command = (program, way, public_folder, plugin)
    if way == "qsort":  # it calls more than once, from more than one place
        sbtrace.run(*command, options=["--profile", profile])
        found = sbtrace.sql("select frames from blocked_calls where name = 'getppid'")[0]["frames"]
    else:
        found = frames_of(sbtrace, "getppid", profile, *command)
    assert functions(found, program)[: len(wanted)] == wanted


@contextmanager
def mounted(*command: str | Path, at: Path) -> Iterator[None]:
    subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", at], check=True)


def functions_of_plugin(
    sbtrace: Sbtrace, profile: Path, public_folder: Path, plugin: Path
) -> list[str | None]:
    """The plug-in's functions by their names; also its path, whole, is asserted."""
    program = compile_c(public_folder / "plugs")
    found = frames_of(sbtrace, "getppid", profile, program, "plugin", public_folder, plugin)
    assert functions(found, program)[:3] == ["leaf", "calls_plugin", "main"]
    inside = [frame for frame in found if "plug" in frame["object"].rpartition("/")[2]]
    inside = [frame for frame in inside if frame["object"] != str(program)]
    assert {frame["object"] for frame in inside} == {str(plugin)}
    return [frame["function"] for frame in inside]


def test_a_plugin_far_from_every_library_is_named(
    sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    """Wherever it lies: in folders that no search goes to, thirty deep."""
    folder = public_folder.joinpath("elsewhere", *(f"level {n}" for n in range(30)))
    folder.mkdir(parents=True)
    plugin = compile_c(folder / "plug-in.so.1", "-shared", "-fPIC", source=PLUGIN)
    assert functions_of_plugin(sbtrace, profile, public_folder, plugin) == ["inner", "plugin_run"]


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_a_path_goes_on_where_a_file_system_is_mounted(
    kind: str, sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    """Of a bind mount it is the path by which the process came to it."""
    source, at = public_folder / f"source-{kind}", public_folder / f"mounted-{kind}" / "at"
    source.mkdir()
    at.mkdir(parents=True)
    command = ("mount", *(("--bind", source) if kind == "bind" else ("-t", "tmpfs", "none")), at)
    with mounted(*command, at=at):
        (at / "in").mkdir()
        plugin = compile_c(at / "in" / "plugin.so", "-shared", "-fPIC", source=PLUGIN)
        found = functions_of_plugin(sbtrace, profile, public_folder, plugin)
    assert found == ["inner", "plugin_run"]


def test_a_program_is_named_whatever_folder_it_changed_to(
    sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    """execve was given a name relative to a folder that is not sbtrace's."""
    program = compile_c(public_folder / "relative")
    command = f"cd {public_folder} && exec ./relative fork {public_folder}"
    frames = frames_of(sbtrace, "clone", profile, "sh", "-c", command)
    assert functions(frames, program)[:2] == ["violate", "main"]


def test_a_call_of_the_dynamic_linker_is_named_in_it(
    sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    """No mmap was seen of the linker itself: the kernel's build id leads to the file."""
    program = compile_c(public_folder / "starts")
    frames = frames_of(sbtrace, "access", profile, program, "fork", public_folder)
    named = {"access", None}  # None without the C library's debug symbols: it exports no access
    assert frames[0]["function"] in named
    assert all("/ld-linux" in frame["object"] for frame in frames)
    assert len(frames) >= 3
