"""From bpf/*.c to descriptors of loaded programs and maps, by bcc and its clang.

bcc asks for kernel headers only to know the types of kernel structures. Our program takes
UAPI types from the C library's headers and every kernel offset from BTF, so the few small
files in bpf/include stand in for a kernel tree and no header package is ever needed.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tracer.collectors.kernel.offsets import kernel_offsets
from tracer.errors import KernelError
from tracer.resources import bpf_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

RING_BYTES = 16 << 20

RAW_TRACEPOINTS = (
    "signal_generate",
    "sched_process_fork",
    "sched_process_exec",
    "sched_process_exit",
    "sys_enter",
    "sys_exit",
)
ITERATOR = "bpf_iter__task"
MAPS = ("threads", "overflow", "refused", "losses", "records")

_TARGET_ARCH = {"x86_64": "x86", "aarch64": "arm64"}
_PROG_TYPE_TRACING = 26
"""BPF_PROG_TYPE_TRACING, include/uapi/linux/bpf.h; bcc's Python has no name for it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Descriptors of what is in the kernel: programs by tracepoint, maps by name."""

    programs: dict[str, int]
    iterator: int
    maps: dict[str, int]
    keep: object
    """Whatever must live as long as the descriptors."""


def compile_and_load() -> Loaded:
    """Compile, verify and load. Raises KernelError with the reason and the remedy."""
    try:
        from bcc import BPF
        from bcc.libbcc import lib
    except ImportError as error:
        raise KernelError(
            f"bcc: {error}: install python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora), "
            "and use a virtual environment made with --system-site-packages"
        ) from error
    if not hasattr(BPF, "RAW_TRACEPOINT"):
        raise KernelError("bcc: this is not the BPF Compiler Collection: pip uninstall bcc")
    source = bpf_dir() / "sbtrace.c"
    with _kernel_source(bpf_dir()), _captured_stderr() as printed:
        try:
            bpf = BPF(text=source.read_bytes(), cflags=_flags())
            programs = {
                name: bpf.load_func(f"on_{name}".encode(), BPF.RAW_TRACEPOINT).fd
                for name in RAW_TRACEPOINTS
            }
            iterator = bpf.load_func(ITERATOR.encode(), _PROG_TYPE_TRACING).fd
            maps = {name: lib.bpf_table_fd(bpf.module, name.encode()) for name in MAPS}
        except Exception as error:
            raise KernelError(_reason(source, error, printed)) from error
    return Loaded(programs, iterator, maps, bpf)


def _flags() -> list[str]:
    namespace = Path("/proc/self/ns/pid").stat()
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    return [
        f"-I{bpf_dir() / 'include'}",
        f"-I{bpf_dir()}",
        *(f"-I{folder}" for folder in _uapi_folders()),
        f"-D__TARGET_ARCH_{_TARGET_ARCH[platform.machine()]}",
        f"-DPAGE_SIZE={page_bytes}",
        f"-DRING_PAGES={RING_BYTES // page_bytes}",
        f"-DPIDNS_DEV={namespace.st_dev}ULL",
        f"-DPIDNS_INO={namespace.st_ino}ULL",
        *(f"-D{name}={offset}" for name, offset in kernel_offsets().items()),
    ]


def _uapi_folders() -> Iterator[str]:
    """Yield where the C library's copy of the kernel's user-space headers lies."""
    roots = (f"/usr/include/{platform.machine()}-linux-gnu", "/usr/include")
    for folder in roots:
        if Path(folder, "asm/ptrace.h").is_file() or folder == roots[-1]:
            yield folder
    if not any(Path(folder, "asm/ptrace.h").is_file() for folder in roots):
        raise KernelError(
            "asm/ptrace.h: the C library's header of the kernel interface is missing: install "
            "linux-libc-dev (Debian, Ubuntu) or kernel-headers (Fedora; that is glibc's part)"
        )


@contextmanager
def _kernel_source(folder: Path) -> Iterator[None]:
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
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _reason(source: Path, error: Exception, printed: BinaryIO) -> str:
    """Make one line of bcc's exception and of the first error that was printed before it."""
    printed.seek(0)
    lines = printed.read().decode(errors="replace").splitlines()
    first = next((line for line in lines if "error:" in line or "not permitted" in line), "")
    return f"{source.name}: {error}" + (f" ({first.strip()})" if first else "")
