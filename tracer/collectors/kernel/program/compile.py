"""From bpf/*.c to an artifact that can be loaded, by bcc and its clang.

bcc asks for kernel headers only to know the types of kernel structures. Our program takes
UAPI types from the C library's headers and every kernel offset from BTF, so the few small
files in bpf/include stand in for a kernel tree and no header package is ever needed.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tracer.collectors.kernel.program import libbpf
from tracer.collectors.kernel.program.artifact import (
    ADD,
    INSTRUCTION,
    LD_IMM64,
    PSEUDO_MAP_FD,
    Artifact,
    MapShape,
    ProgramCode,
    instructions,
)
from tracer.collectors.kernel.program.offsets import names
from tracer.collectors.kernel.program.variant import TAILS, programs
from tracer.errors import KernelError
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracer.collectors.kernel.program.variant import Variant

MAIN = "sbtrace.c"
_PART = re.compile(r'#include "(\w+\.h)"')
_FIRST_GAP = 0x5B7ACE00
"""The number that stands for the first of ``names``, far above any offset."""


def compile_program(which: Variant) -> Artifact:
    """Compile bpf/sbtrace.c for any kernel. Raises KernelError with reason and remedy."""
    stand_ins = {name: _FIRST_GAP + i for i, name in enumerate(names(which.machine))}
    return compile_with(which, stand_ins)


def compile_with(which: Variant, values: Mapping[str, int]) -> Artifact:
    """Compile with ``values`` for what the kernel has to say. Raises as ``compile_program``."""
    try:
        from bcc import BPF
    except ImportError as error:
        raise KernelError(
            f"bcc: {error}: install python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora), "
            "and use a virtual environment made with --system-site-packages"
        ) from error
    if not hasattr(BPF, "RAW_TRACEPOINT"):
        raise KernelError("bcc: this is not the BPF Compiler Collection: pip uninstall bcc")
    with kernel_source(bpf_dir()), _captured_stderr() as printed:
        try:
            module = BPF(text=source().encode(), cflags=flags(which, values))
            return _artifact(module, names(which.machine), programs(which.machine))
        except Exception as error:
            raise KernelError(_reason(error, printed)) from error


def source() -> str:
    """Return the program as one file: bcc rewrites the access to maps in the main file alone."""
    folder = bpf_dir()
    lines = []
    for number, line in enumerate((folder / MAIN).read_text().splitlines(), 1):
        included = _PART.fullmatch(line)
        if included:
            part = folder / included[1]
            lines += [f'#line 1 "{part.name}"', part.read_text(), f'#line {number + 1} "{MAIN}"']
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def flags(which: Variant, values: Mapping[str, int]) -> list[str]:
    """Return the compiler options."""
    return [
        f"-I{bpf_dir() / 'include'}",
        f"-I{bpf_dir()}",
        *(f"-I{folder}" for folder in _uapi_folders(which.machine)),
        *which.definitions(),
        *(f"-D{name}={value}" for name, value in values.items()),
    ]


def _artifact(
    module: Any,  # noqa: ANN401 - bcc has no types
    gaps: Sequence[str],
    tracepoint_programs: Sequence[str],
) -> Artifact:
    """Take instructions and map definitions out of bcc's module, descriptors made names."""
    from bcc.libbcc import lib

    handle = ctypes.c_void_p(module.module)
    lib.bpf_table_name.restype = ctypes.c_char_p  # bcc declares only what it uses itself
    tables = [lib.bpf_table_name(handle, i).decode() for i in range(lib.bpf_num_tables(handle))]
    descriptors = {lib.bpf_table_fd(handle, name.encode()): name for name in tables}
    functions = {name: f"on_{name}" for name in (*tracepoint_programs, *TAILS)}
    code = {
        name: _code(module.dump_func(function.encode()), descriptors, gaps)
        for name, function in functions.items()
    }
    maps = {
        name: MapShape(
            lib.bpf_table_type_id(handle, i),
            lib.bpf_table_key_size_id(handle, i),
            lib.bpf_table_leaf_size_id(handle, i),
            lib.bpf_table_max_entries_id(handle, i),
            lib.bpf_table_flags_id(handle, i),
        )
        for i, name in enumerate(tables)
    }
    enrolled = lib.bpf_table_fd(handle, b"enrolled")
    btf, key_type, value_type = libbpf.map_btf(enrolled)
    return Artifact(code, maps, btf, (key_type, value_type))


def _code(compiled: bytes, descriptors: Mapping[int, str], gaps: Sequence[str]) -> ProgramCode:
    """Note where a program has bcc's descriptors and the stand-ins; the former become 0."""
    code = bytearray(compiled)
    maps, values = [], []
    for at, opcode, registers, value in instructions(compiled):
        if opcode == LD_IMM64 and registers >> 4 == PSEUDO_MAP_FD:
            maps.append((at, descriptors[value]))
            INSTRUCTION.pack_into(code, at * INSTRUCTION.size, opcode, registers, 0, 0)
        elif opcode in (LD_IMM64, ADD) and 0 <= value - _FIRST_GAP < len(gaps):
            values.append((at, gaps[value - _FIRST_GAP]))
    return ProgramCode(bytes(code), maps, values)


def _uapi_folders(machine: str) -> Iterator[str]:
    """Yield where the C library's copy of the kernel's user-space headers lies."""
    roots = (f"/usr/include/{machine}-linux-gnu", "/usr/include")
    for folder in roots:
        if Path(folder, "asm/ptrace.h").is_file() or folder == roots[-1]:
            yield folder
    if not any(Path(folder, "asm/ptrace.h").is_file() for folder in roots):
        raise KernelError(
            "asm/ptrace.h: the C library's header of the kernel interface is missing: install "
            "linux-libc-dev (Debian, Ubuntu) or kernel-headers (Fedora; that is glibc's part)"
        )


@contextmanager
def kernel_source(folder: Path) -> Iterator[None]:
    """Point bcc at our headers, whatever BCC_* the environment says, and leave no trace."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("BCC_")}
    os.environ["BCC_KERNEL_SOURCE"] = os.fspath(folder)
    try:
        yield
    finally:
        del os.environ["BCC_KERNEL_SOURCE"]
        os.environ.update(before)


@contextmanager
def _captured_stderr() -> Iterator[BinaryIO]:
    """Let clang and the verifier print into a file, not between the user's lines."""
    sys.stderr.flush()
    with open(os.memfd_create("stderr"), "w+b") as file:  # noqa: PTH123 - it has no path
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _reason(error: Exception, printed: BinaryIO) -> str:
    """Make one line of bcc's exception and of the first error that was printed before it."""
    printed.seek(0)
    lines = printed.read().decode(errors="replace").splitlines()
    first = next((line for line in lines if "error:" in line or "not permitted" in line), "")
    return f"{MAIN}: {error}" + (f" ({first.strip()})" if first else "")
