"""Frames that a real run records of refused calls: the process is dead when they are named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.symbols.support import PLUGIN, compile_c

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Sbtrace

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the target is for x86_64"),
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


def test_a_call_of_the_dynamic_linker_is_named_in_it(
    sbtrace: Sbtrace, profile: Path, public_folder: Path
) -> None:
    """No mmap was seen of the linker itself: the kernel's build id leads to the file."""
    program = compile_c(public_folder / "starts")
    frames = frames_of(sbtrace, "access", profile, program, "fork", public_folder)
    assert frames[0]["function"] == "access"
    assert all("/ld-linux" in frame["object"] for frame in frames)
    assert len(frames) >= 3
