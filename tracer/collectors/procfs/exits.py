"""Peak memory of every process at its death, from the kernel's taskstats.

/proc has VmHWM and VmPeak of living processes only. ``ru_maxrss`` survives execve: a small program
inherits the size of the one that forked it. The kernel sends the true figures of each exiting task
to whoever asks by generic netlink (Documentation/accounting/taskstats.rst). That takes
CAP_NET_ADMIN, and the machine's first namespaces of users, PIDs and networks.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tracer import linux

if TYPE_CHECKING:
    from collections.abc import Iterable

_NETLINK_GENERIC = 16
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 4 << 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR, _GENL_ID_CTRL = 2, 16
_CTRL_CMD_GETFAMILY, _CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 3, 1, 2
_TASKSTATS_CMD_GET, _TASKSTATS_CMD_ATTR_REGISTER_CPUMASK = 1, 3
_TYPE_STATS, _TYPE_AGGR_PID = 3, 4
_NESTED = 0x3FFF
_HEADER, _GENERIC = struct.Struct("=IHHII"), struct.Struct("=BBxx")
_ATTRIBUTE = struct.Struct("=HH")
_CPUS = Path("/sys/devices/system/cpu/possible")
_MESSAGE_BYTES = 16_384
_KEPT = 1024

FORBIDDEN = "untold_peak"
"""The kernel tells peaks to root only."""
CONTAINED = "untold_peak_contained"
"""The kernel tells no peaks here: this is a container, or the kernel has no taskstats."""
OVERRUN = "untold_peak_overrun"
"""The machine's processes ended faster than sbtrace could hear of: ENOBUFS, netlink(7)."""
UNSAID = "untold_peak_unsaid"
"""Asking it failed in another way."""
SMALL = "untold_peak_small"
"""The kernel's count read 0 for every process so far. Since Linux 6.2 it is kept by CPU and added
up in batches of 32 pages and more (include/linux/mm.h: get_mm_counter), so that a small static
program reads 0. The size of its address space is exact, and is recorded."""
CAUSES = (FORBIDDEN, CONTAINED, OVERRUN, UNSAID)
"""Why a peak is not known: kinds of losses."""

# struct taskstats, linux/taskstats.h: its fields are only ever added to, at the end.
_IDS = struct.Struct("=II")
_IDS_AT = 128  # ac_pid, ac_ppid
_PEAKS = struct.Struct("=QQ")
_PEAKS_AT = 200  # hiwater_rss, hiwater_vm in KiB


class _Exit(NamedTuple):
    pid: int
    """The id of the thread."""
    parent: int
    rss_bytes: int
    vm_bytes: int


class ExitPeaks:
    """Hears of every exit on the machine and keeps the peaks of the target's processes."""

    def __init__(self, parent: int, first: Iterable[int]) -> None:
        """Listen from now on, if that is allowed: ``untold`` says why not.

        ``parent``: a process whose children are all of the target. ``first``: those of the
        target that there are now.
        """
        self._parent = parent
        self._alive = set(first)
        # An exit may be told after that of the parent, and of a child before it is sampled.
        self._dead: dict[int, None] = {}
        self._strangers: dict[int, _Exit] = {}
        self._deaf: str | None = None
        self._socket: socket.socket | None = None
        try:
            self._socket = _listen()
        except (OSError, KeyError) as error:
            self._deaf = _cause(error)
        self.rss_bytes: int | None = None
        """Largest resident set of one process that has ended; None if none was heard of."""
        self.vm_bytes: int | None = None
        """Largest address space of one process that has ended."""

    @property
    def untold(self) -> str | None:
        """Why not every peak so far is known, one of ``CAUSES``; None if each is."""
        if self._deaf is None and self.vm_bytes is None:
            # In another network namespace one may listen, but is told nothing: what is sent goes
            # to the first one (kernel/taskstats.c: send_cpu_listeners).
            return CONTAINED
        return self._deaf

    @property
    def is_small(self) -> bool:
        """Whether all that was told so far is too small to have a peak of resident memory."""
        return self.rss_bytes is None and self.vm_bytes is not None

    def know(self, pids: Iterable[int]) -> None:
        """Take these for the processes of the target that are alive now."""
        self._alive = set(pids)

    def drain(self) -> None:
        """Take in what the kernel has sent. An exit is there before its process is reaped."""
        heard = False
        while self._socket is not None:
            try:
                data = self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                self._deaf = OVERRUN if error.errno == errno.ENOBUFS else UNSAID
                self.close()
                break
            for ended in _exits(data):
                self._strangers[ended.pid] = ended
                heard = True
        if heard:
            self._adopt()

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _adopt(self) -> None:
        """Take those of the target out of all that exited.

        Repeated, for a parent may turn out to be of the target by its own exit only.
        """
        while ours := [one for one in self._strangers.values() if self._is_ours(one)]:
            for one in ours:
                del self._strangers[one.pid]
                self._dead[one.pid] = None
                self.rss_bytes = max(one.rss_bytes, self.rss_bytes or 0) or None
                self.vm_bytes = max(one.vm_bytes, self.vm_bytes or 0)
        # The kernel gives numbers out in turn, so an old one may soon be somebody else's.
        _drop_oldest(self._dead)
        _drop_oldest(self._strangers)

    def _is_ours(self, one: _Exit) -> bool:
        family = (one.pid, one.parent)
        return one.parent == self._parent or any(
            pid in self._alive or pid in self._dead for pid in family
        )


def _drop_oldest(numbers: dict[int, Any]) -> None:
    while len(numbers) > _KEPT:
        del numbers[next(iter(numbers))]


def _cause(error: OSError | KeyError) -> str:
    """Why the kernel does not let us listen.

    It refuses root too where root is so in a container only (user namespace), or does not see all
    processes (PID namespace: EINVAL), or has no taskstats.
    """
    code = error.errno if isinstance(error, OSError) else errno.ENOENT
    if code in (errno.EPERM, errno.EACCES):
        return CONTAINED if os.geteuid() == 0 else FORBIDDEN
    return CONTAINED if code in (errno.EINVAL, errno.ENOENT) else UNSAID


def _listen() -> socket.socket:
    """Raises OSError, or KeyError where the kernel has no such family."""
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
    try:
        connection.bind((0, 0))
        with suppress(PermissionError):
            connection.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        connection.settimeout(1)
        name = _attribute(_CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0")
        answer = _ask(connection, _GENL_ID_CTRL, _CTRL_CMD_GETFAMILY, name)
        (family,) = struct.unpack_from("=H", dict(_attributes(answer))[_CTRL_ATTR_FAMILY_ID])
        mask = _attribute(_TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, _CPUS.read_bytes().strip() + b"\0")
        _ask(connection, family, _TASKSTATS_CMD_GET, mask, flags=_NLM_F_REQUEST | 4)  # NLM_F_ACK
        connection.setblocking(False)
    except (OSError, KeyError):
        connection.close()
        raise
    return connection


def _ask(
    connection: socket.socket,
    family: int,
    command: int,
    attributes: bytes,
    flags: int = _NLM_F_REQUEST,
) -> bytes:
    """Send one request; the attributes of the answer. Raises OSError if it is refused."""
    body = _GENERIC.pack(command, 1) + attributes
    connection.send(_HEADER.pack(_HEADER.size + len(body), family, flags, 1, 0) + body)
    while True:
        data = connection.recv(_MESSAGE_BYTES)
        _, kind, _, sequence, _ = _HEADER.unpack_from(data)
        if kind == _NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", data, _HEADER.size)
            if code:
                raise linux.error_of(-code)
            return b""
        if sequence == 1:  # an exit that came before the answer carries no number
            return data[_HEADER.size + _GENERIC.size :]


def _attribute(kind: int, payload: bytes) -> bytes:
    size = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(size, kind) + payload + b"\0" * (-size % 4)


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            break
        found.append((kind & _NESTED, data[at + _ATTRIBUTE.size : at + size]))
        at += size + -size % 4
    return found


def _exits(data: bytes) -> list[_Exit]:
    """The threads whose exit a message tells of; those without memory (kernel's) left out."""
    found = []
    for kind, nested in _attributes(data[_HEADER.size + _GENERIC.size :]):
        if kind != _TYPE_AGGR_PID:
            continue
        for inner, stats in _attributes(nested):
            if inner == _TYPE_STATS and len(stats) >= _PEAKS_AT + _PEAKS.size:
                rss, vm = _PEAKS.unpack_from(stats, _PEAKS_AT)
                if vm:
                    pid, parent = _IDS.unpack_from(stats, _IDS_AT)
                    found.append(_Exit(pid, parent, rss * 1024, vm * 1024))
    return found
