"""The BPF program in the kernel: attached, fed with the launcher, read, and let go.

Everything it holds dies with its descriptors, so a killed sbtrace leaves nothing behind.
"""

from __future__ import annotations

import errno
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from tracer.collectors.kernel import missed, wire
from tracer.collectors.kernel.arguments import argument_table
from tracer.collectors.kernel.paths import path_table
from tracer.collectors.kernel.pool import Pool
from tracer.collectors.kernel.program import cache, libbpf
from tracer.collectors.kernel.program.offsets import (
    host_values,
    is_preemptible,
    kernel_values,
)
from tracer.collectors.kernel.program.variant import (
    AGAIN,
    BRIEFLY,
    INNER,
    RARE,
    RAW_TRACEPOINTS,
    TAILS,
    VSYSCALL,
    Variant,
    needed,
    variant,
)
from tracer.collectors.kernel.records import Records
from tracer.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracer.collectors.kernel.program.artifact import Artifact

_FORBIDDEN = (
    ": eBPF takes CAP_BPF and CAP_PERFMON, and no lockdown, security module or container that "
    "forbids bpf(2)"
)
_REFUSED = (
    ": the kernel's verifier or a security module refuses what the kernels that sbtrace was tried "
    "on take (docs/kernels.md): please report it, with what uname -r says"
)
NOTHING: frozenset[int] = frozenset()


class Program:
    """The loaded program. Every method raises KernelError where the kernel says no."""

    def __init__(
        self,
        take: Callable[[bytes], None],
        logged: frozenset[int] = NOTHING,
        verdicts: Sequence[int] = (),
    ) -> None:
        """Load; ``take`` is given each record of the ring buffer as it is consumed.

        ``logged``: native numbers that the filter may let through with SECCOMP_RET_LOG.
        ``verdicts``: VERDICT_… of bpf/records.h for gettimeofday, time and getcpu by the
        vsyscall page.
        """
        self._open: list[int] = []
        self._links: list[int] = []
        self._let_go: list[Callable[[], None]] = []
        self._here = host_values()
        self._wanted = _wanted(verdicts)
        self._maps, self._programs = self._loaded(variant(needed(logged)))
        for number in logged:
            _ask(libbpf.update, self._maps["logged"], number, b"\1")
        for number, name in enumerate(TAILS):
            fd = self._programs[name].to_bytes(4, sys.byteorder)
            _ask(libbpf.update, self._maps["tails"], number, fd)
        _ask(libbpf.update, self._maps["path_arguments_of"], 0, path_table(os.uname().machine))
        specs = argument_table(os.uname().machine)
        _ask(libbpf.update, self._maps["argument_specs"], 0, specs)
        for call, verdict in enumerate(verdicts):
            _ask(libbpf.update, self._maps["verdicts"], call, verdict.to_bytes(8, sys.byteorder))
        self._read_stack_bytes = self._given_bytes = 0
        self._take = take
        ring = self._maps["records"]
        self._records: Records = _ask(Records, ring, self._read, self._take, self._kept_up)
        self._let_go.append(self._records.close)

    def _loaded(self, which: Variant) -> tuple[dict[str, int], dict[str, int]]:
        """Load the kept program, or else one that is linked for this kernel and then kept."""
        made_for = cache.identity(which)
        kept = cache.load(made_for)
        if kept is not None:
            try:
                return self._load(kept)
            except (OSError, KeyError, KernelError):
                self.close()  # made for another machine after all
        fresh = cache.Kept(_portable(which), _ask(kernel_values))
        loaded: tuple[dict[str, int], dict[str, int]] = _ask(self._load, fresh)
        cache.save(made_for, fresh)
        return loaded

    def _load(self, kept: cache.Kept) -> tuple[dict[str, int], dict[str, int]]:
        artifact, values = kept.artifact, {**kept.values, **self._here}
        _require_layout(artifact)
        btf = self._keep(libbpf.load_btf(artifact.btf))
        maps: dict[str, int] = {}
        for name, shape in sorted(artifact.maps.items(), key=lambda item: item[0] in INNER):
            of_tasks = shape.kind == libbpf.MAP_TYPE_TASK_STORAGE
            sizes = (shape.key_bytes, shape.value_bytes, shape.entries)
            types = (btf, *artifact.btf_types) if of_tasks else (0, 0, 0)
            inner = maps[INNER[name]] if name in INNER else 0
            fd = libbpf.create_map(shape.kind, name, sizes, shape.flags, types, inner)
            maps[name] = self._keep(fd)
        self._pool = Pool(maps, artifact.maps)
        self._let_go.append(self._pool.close)
        self._pool.begin()
        programs = {}
        for name in (*self._wanted, *TAILS):
            code = artifact.linked(name, maps, values)
            fd = libbpf.load_program(libbpf.PROG_TYPE_RAW_TRACEPOINT, name, code)
            programs[name] = self._keep(fd)
        return maps, programs

    def _keep(self, fd: int) -> int:
        self._open.append(fd)
        return fd

    @property
    def ring_fd(self) -> int:
        """Readable when there are records to be consumed: see ``Records``."""
        return self._records.fd

    def attach(self) -> None:
        """Attach to the raw tracepoints: from now on, enrolled tasks are counted."""
        _ask(self._pool.settle)
        for name in self._wanted:
            self._links += _ask(_attached, name, self._programs[name])

    def enrol(self, pidfd: int) -> None:
        """Follow the task behind ``pidfd`` from its next execve on."""
        _ask(libbpf.update, self._maps["enrolled"], pidfd, wire.armed())

    def consume(self, at_most_s: float = math.inf) -> None:
        """Hand over the records that wait, for at most so long."""
        _ask(self._records.read)
        _ask(self._records.hand_over, at_most_s)

    def _kept_up(self) -> None:
        self._pool.grow_if_low()
        if self._read_stack_bytes != self._given_bytes:
            self._given_bytes = self._read_stack_bytes
            room = self._given_bytes.to_bytes(8, sys.byteorder)
            libbpf.update(self._maps["marks"], wire.MARK_TAKEN, room)

    def _read(self, data: bytes) -> None:
        if wire.kind_of(data) == wire.RECORD_BLOCKED:
            self._read_stack_bytes += wire.ring_room(data)

    def live_tables(self) -> Iterator[wire.Table]:
        """Yield the table of every followed thread that is alive, as it stands."""
        yield from _ask(list, self._pool.live_tables())

    def overflow(self) -> Iterator[tuple[wire.OverflowKey, wire.Slot]]:
        """Yield what did not fit into the threads' own tables."""
        fd = self._maps["overflow"]
        for key, value in libbpf.pairs(fd, wire.OVERFLOW_KEY_BYTES, wire.SLOT_BYTES):
            yield wire.overflow_key(key), wire.slot(value)

    def blocked(self) -> Iterator[tuple[bytes, tuple[int, int, int]]]:
        """Yield the key of each distinct blocked call with (count, first ns, last ns)."""
        fd = self._maps["blocked"]
        for key, value in libbpf.pairs(fd, wire.KEY_BYTES, wire.COUNT_BYTES):
            yield key, wire.blocked_count(value)

    def texts(self) -> Iterator[wire.Text]:
        """Yield what the paths of blocked calls said: those of one row, each distinct one."""
        for key, value in libbpf.pairs(self._maps["texts"], wire.TEXT_KEY_BYTES, wire.COUNT_BYTES):
            yield wire.text(key, value)

    def losses(self) -> dict[str, int]:
        """Return what the program knows it lost, by the names of ``wire.LOSSES``."""
        counts = _ask(libbpf.cells, self._maps["losses"], len(wire.LOSSES))
        return dict(zip(wire.LOSSES, counts, strict=True))

    def last_exit_ns(self) -> int | None:
        """Return when one of the target last died, by the kernel's clock; None if none has."""
        return _ask(libbpf.cells, self._maps["marks"], wire.MARKS)[wire.MARK_LAST_EXIT] or None

    def missed_runs(self) -> int:
        """Return how many events at the most nothing was recorded of: the kernel skipped the
        program for them, as it was running already, and nothing made that good."""
        misses = {n: _ask(libbpf.recursion_misses, fd) for n, fd in self._programs.items()}
        losses = self.losses()
        marks = _ask(libbpf.cells, self._maps["marks"], wire.MARKS)
        return missed.unrecorded(
            misses,
            starts=losses["untimed_calls"],
            results=losses["untold_results"],
            doubtful=marks[wire.MARK_DOUBTFUL],
            filtered=marks[wire.MARK_FILTERS] > 0 or next(self.blocked(), None) is not None,
        )

    def detach(self) -> None:
        """Let go of the tracepoints: nothing is counted any more."""
        while self._links:
            os.close(self._links.pop())

    def close(self) -> None:
        """Let go of everything; the kernel frees programs and maps."""
        self.detach()
        while self._let_go:
            self._let_go.pop()()
        while self._open:
            os.close(self._open.pop())


def _require_layout(artifact: Artifact) -> None:
    """Raise KernelError if maps do not hold what ``wire`` reads from them."""
    for name, expected in wire.MAP_BYTES.items():
        shape = artifact.maps[name]
        found = (shape.key_bytes, shape.value_bytes)
        if found != expected:
            raise KernelError(
                f"the BPF program's map {name} is laid out otherwise than sbtrace reads it (bytes "
                f"of key and value {found}, not {expected}): install sbtrace again"
            )


def _wanted(verdicts: Sequence[int]) -> tuple[str, ...]:
    """Return the programs that a run needs."""
    again = (name + AGAIN for name in RARE if is_preemptible(os.uname().release))
    always = (*RAW_TRACEPOINTS, *again)
    if os.uname().machine != "x86_64":
        return always
    is_told = any(verdict >= wire.VERDICT_ERRNO for verdict in verdicts)
    return (*always, VSYSCALL if is_told else VSYSCALL + BRIEFLY)


def _attached(name: str, fd: int) -> list[int]:
    """Attach a program; return its link, or none where the kernel lacks the vsyscall page."""
    try:
        return [libbpf.attach_raw_tracepoint(name.removesuffix(BRIEFLY).removesuffix(AGAIN), fd)]
    except FileNotFoundError:
        if not name.startswith(VSYSCALL):
            raise
        return []


def _portable(which: Variant) -> Artifact:
    """Return the program that was built with sbtrace, or else compile it now."""
    from tracer.collectors.kernel.program import built

    found = built.load(which)
    if found is None:
        from tracer.collectors.kernel.program.compile import compile_program

        _require_bpf()
        found = compile_program(which)
    return found


def _require_bpf() -> None:
    """Raise KernelError where bpf(2) is forbidden: bcc would call that a fault of the program."""
    os.close(_ask(libbpf.create_map, libbpf.MAP_TYPE_ARRAY, "probe", (4, 4, 1), 0, (0, 0, 0)))


def _ask(function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401 - of any function
    """Call into libbpf; what the kernel refuses is a KernelError that says what it was."""
    try:
        return function(*args)
    except OSError as error:
        # Who may not is told EPERM; EACCES is the verifier's own answer (kernel/bpf/verifier.c).
        remedy = {errno.EPERM: _FORBIDDEN, errno.EACCES: _REFUSED}.get(error.errno or 0, "")
        raise KernelError(f"{error.strerror or error}{remedy}") from error
