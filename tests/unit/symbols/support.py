"""Builds target.c in many ways, runs it, and reads what it saw of itself."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tracer import syscalls
from tracer.symbols import Mapping, RawStack
from tracer.symbols.abi import ABIS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer.model import Frame

TARGET = Path(__file__).with_name("target.c")
PLUGIN = Path(__file__).with_name("plugin.c")
OPTIMISED = ("-O2", "-fomit-frame-pointer", "-w")


@dataclass(frozen=True)
class Capture:
    """What one run of the target left behind; the process is gone."""

    raw: RawStack
    trace: tuple[int, ...]
    """Addresses found by libgcc's unwinder within the process, from the blocked call out."""


def innermost_of(frames: Sequence[Frame], program: str) -> Frame:
    """The innermost frame in the program's own code."""
    return next(frame for frame in frames if frame.object == program)


def compile_c(output: Path, *options: str, source: Path = TARGET) -> Path:
    """Compile a test program, or skip where the compiler cannot make any with these options."""
    compiler = shutil.which("g++" if "c++" in options else "gcc")
    if compiler is None:
        pytest.skip("no C compiler on PATH")
    done = _compiled(compiler, options, str(source), output)
    if done.returncode:
        empty = _compiled(compiler, options, "-", output, "int main(void) { return 0; }")
        assert empty.returncode, done.stderr
        pytest.skip(f"cannot compile with {' '.join(options)}: {empty.stderr.strip()[-200:]}")
    return output


def _compiled(
    compiler: str, options: Sequence[str], source: str, output: Path, text: str = ""
) -> subprocess.CompletedProcess[str]:
    language = [] if "-x" in options or source != "-" else ["-x", "c"]
    return subprocess.run(
        [compiler, *OPTIMISED, *options, *language, source, "-o", str(output)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def capture(program: Path, way: str, folder: Path, *arguments: str) -> Capture:
    """Run the target and read what its handler wrote into ``folder``."""
    folder.mkdir(exist_ok=True)
    command = [str(program), way, str(folder), *arguments]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode == 0, "the call was not trapped"
    abi = ABIS[syscalls.native_abi()]
    registers = struct.unpack(f"<{len(abi.registers)}Q", (folder / "registers").read_bytes())
    status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
    raw = RawStack(
        abi=abi.name,
        registers=registers,
        stack_address=registers[abi.stack_pointer],
        stack=(folder / "stack").read_bytes(),
        mappings=mappings((folder / "maps").read_text(), program),
        executable=str(program),
        code_start=int(status[23]),
        code_end=int(status[24]),
    )
    trace = struct.unpack(f"<{(folder / 'trace').stat().st_size // 8}Q", _bytes(folder / "trace"))
    return Capture(raw, trace[trace.index(registers[abi.pc]) :])


def mappings(maps: str, program: Path) -> tuple[Mapping, ...]:
    """What following mmap shows: libraries by their paths, and no mapping of the program."""
    found: list[Mapping] = []
    for line in maps.splitlines():
        span, rights, offset, device, inode, *path = line.split(None, 5)
        start, end = (int(part, 16) for part in span.split("-"))
        if "x" not in rights or path in ([], ["[vsyscall]"], [str(program)]):
            continue
        name = Path(path[0]).name
        if name == "[vdso]":
            found.append(Mapping(start, end, 0, name=name))
            continue
        major, minor = (int(part, 16) for part in device.split(":"))
        number = os.makedev(major, minor)
        found.append(
            Mapping(
                start,
                end,
                int(offset, 16),
                path=path[0],
                name=name,
                inode=int(inode),
                device=number,
            )
        )
    return tuple(found)


def _bytes(path: Path) -> bytes:
    return path.read_bytes()
