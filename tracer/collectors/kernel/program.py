"""The BPF program in the kernel: attached, fed with the launcher, read, and let go.

Everything it holds dies with its descriptors, so a killed sbtrace leaves nothing behind.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from tracer.collectors.kernel import wire
from tracer.collectors.kernel.compile import Loaded, compile_and_load
from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Program:
    """The loaded program. Raises KernelError where this machine does not let it load."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        """Load; ``take`` is given each record of the ring buffer as it is consumed."""
        self._loaded: Loaded = compile_and_load()
        from bcc.libbcc import _RINGBUF_CB_TYPE, lib

        from tracer.collectors.kernel import maps

        self._lib, self._map_access = lib, maps
        self._links: list[int] = []

        def called(_context: int, data: int, size: int) -> int:
            take(ctypes.string_at(data, size))
            return 0

        self._callback = _RINGBUF_CB_TYPE(called)  # libbcc keeps only the pointer
        self._ring = lib.bpf_new_ringbuf(self.ring_fd, self._callback, None)
        if not self._ring:
            raise KernelError(f"ring buffer: {os.strerror(ctypes.get_errno())}")

    @property
    def ring_fd(self) -> int:
        """Descriptor of the ring buffer: readable when it is a quarter full."""
        return self._loaded.maps["records"]

    def attach(self) -> None:
        """Attach to the raw tracepoints: from now on, enrolled tasks are counted."""
        for name, fd in self._loaded.programs.items():
            self._links.append(self._checked(f"raw tracepoint {name}", self._attach(fd, name)))

    def enrol(self, pidfd: int) -> None:
        """Follow the task behind ``pidfd`` from its next execve on."""
        try:
            self._map_access.update(self._loaded.maps["threads"], pidfd, wire.armed_thread())
        except OSError as error:
            raise KernelError(f"enrolling the target: {error.strerror or error}") from error

    def consume(self) -> None:
        """Hand over every record that waits in the ring buffer."""
        self._lib.bpf_consume_ringbuf(ctypes.c_void_p(self._ring))

    def live_tables(self) -> Iterator[wire.Table]:
        """Yield the table of every followed thread that is alive, as it stands."""
        data = self._read_iterator()
        at = 0
        while at < len(data):
            table, at = wire.table(data, at)
            yield table

    def _read_iterator(self) -> bytes:
        link = self._checked(
            "task iterator", self._lib.bcc_iter_attach(self._loaded.iterator, None, 0)
        )
        try:
            fd = self._checked("task iterator", self._lib.bcc_iter_create(link))
            with os.fdopen(fd, "rb", buffering=0) as file:
                return file.readall()
        finally:
            os.close(link)

    def overflow(self) -> Iterator[tuple[wire.OverflowKey, wire.Slot]]:
        """Yield what did not fit into the threads' own tables."""
        fd = self._loaded.maps["overflow"]
        for key, value in self._map_access.pairs(fd, wire.OVERFLOW_KEY_BYTES, wire.SLOT_BYTES):
            yield wire.overflow_key(key), wire.slot(value)

    def refused(self) -> Iterator[tuple[bytes, tuple[int, int, int]]]:
        """Yield the key of each distinct refused call with (count, first ns, last ns)."""
        fd = self._loaded.maps["refused"]
        for key, value in self._map_access.pairs(fd, wire.KEY_BYTES, wire.COUNT_BYTES):
            yield key, wire.refused_count(value)

    def losses(self) -> dict[str, int]:
        """Return what the program knows it lost, by the names of ``wire.LOSSES``."""
        counts = self._map_access.cells(self._loaded.maps["losses"], len(wire.LOSSES))
        return dict(zip(wire.LOSSES, counts, strict=True))

    def missed_runs(self) -> int:
        """Return how often the kernel skipped a program (bpf_prog_info.recursion_misses)."""
        return sum(_recursion_misses(fd) for fd in self._loaded.programs.values())

    def detach(self) -> None:
        """Let go of the tracepoints: nothing is counted any more."""
        while self._links:
            os.close(self._links.pop())

    def _attach(self, fd: int, name: str) -> int:
        link: int = self._lib.bpf_attach_raw_tracepoint(fd, name.encode())
        return link

    def _checked(self, what: str, result: int) -> int:
        if result < 0:
            raise KernelError(f"{what}: {os.strerror(ctypes.get_errno() or -result)}")
        return result


class _ProgInfo(ctypes.Structure):
    """struct bpf_prog_info up to the field that is read, include/uapi/linux/bpf.h."""

    _fields_ = (
        ("head", ctypes.c_uint8 * 208),
        ("recursion_misses", ctypes.c_uint64),
    )


def _recursion_misses(fd: int) -> int:
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    info, size = _ProgInfo(), ctypes.c_uint32(ctypes.sizeof(_ProgInfo))
    if libbpf.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)) != 0:
        raise KernelError(f"bpf_prog_info: {os.strerror(ctypes.get_errno())}")
    return int(info.recursion_misses)
