"""What others say of the same program: strace and /proc. No line of sbtrace is used here."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import NATIVE, TIMEOUT
from tracer.syscalls import FOREIGN_ABIS

if TYPE_CHECKING:
    import resource

SUMMARY_OPTIONS = ("-c", "-S", "name", "-U", "name,calls,errors")
"""What makes strace print a summary that ``parse_summary`` reads."""
Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls of one syscall that came back, and how many of them failed."""

    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``strace -f -c`` printed. It leaves out calls that never returned, and numbers
    that it has no name for."""

    returncode: int
    stdout: bytes
    abis: dict[str, dict[str, Tally]]
    """``x86_64``, ``i386``, ``x32``… -> name -> tally; always has the native one."""

    @property
    def native(self) -> dict[str, Tally]:
        return self.abis[NATIVE]

    @property
    def total(self) -> int:
        """Calls of all ABIs."""
        return sum(tally.calls for table in self.abis.values() for tally in table.values())


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One call in the log of ``strace -f``, which does not tell ABIs apart."""

    tid: int
    name: str
    text: str
    """The call as strace wrote it, arguments included, without the result."""
    result: str | None
    """What follows `` = ``; None if the call never returned."""

    @property
    def failed(self) -> bool:
        """Whether strace -c would count it as an error."""
        return self.result is not None and (
            self.result.startswith("-1 E") or self.result.startswith("? ERESTART")
        )


@dataclass(frozen=True, slots=True)
class Log:
    """What ``strace -f`` wrote, call by call."""

    returncode: int
    stdout: bytes
    calls: tuple[LoggedCall, ...]
    ends: dict[int, str] = field(default_factory=dict)
    """tid -> ``exited with 0``, ``killed by SIGSYS``…"""

    def entered(self, name: str) -> Counter[int]:
        """How often each thread called ``name``, unfinished calls included."""
        return Counter(call.tid for call in self.calls if call.name == name)

    def unfinished(self) -> Counter[str]:
        """How many calls of each name never returned."""
        return Counter(call.name for call in self.calls if call.result is None)


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that was looked at as a zombie, then reaped: its figures are final."""

    pid: int
    returncode: int
    """As subprocess has it: -N for signal N."""
    stdout: bytes
    io: dict[str, int]
    """/proc/PID/io."""
    rusage: resource.struct_rusage


def strace_summary(command: Command, cwd: Path | None = None) -> Summary:
    """Run ``command`` under ``strace -f -c`` to its end, daemons included."""
    returncode, stdout, text = _strace(list(SUMMARY_OPTIONS), command, cwd)
    return Summary(returncode, stdout, parse_summary(text))


def strace_log(command: Command, cwd: Path | None = None, strings: int = 32) -> Log:
    """Run ``command`` under ``strace -f``, every call logged; ``strings``: how much of each."""
    returncode, stdout, text = _strace(["-s", str(strings)], command, cwd)
    calls, ends = _parse_log(text)
    return Log(returncode, stdout, calls, ends)


def run_to_zombie(command: Command, cwd: Path | None = None) -> Ended:
    """Run ``command`` without any tracer; read /proc of it between its end and its reaping."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, cwd=cwd)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        io = read_io(process.pid)
        _, status, rusage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return Ended(process.pid, process.returncode, output.read(), io, rusage)


def read_io(pid: int) -> dict[str, int]:
    """/proc/PID/io: rchar, wchar, syscr, syscw, read_bytes, write_bytes…"""
    pairs = (line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return {name: int(value) for name, value in pairs}


def read_status(pid: int) -> dict[str, str]:
    """/proc/PID/status: Name, VmPeak, VmHWM, Threads, SigIgn, Seccomp…"""
    text = Path(f"/proc/{pid}/status").read_text(errors="surrogateescape")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def _strace(options: list[str], command: Command, cwd: Path | None) -> tuple[int, bytes, str]:
    with tempfile.NamedTemporaryFile(prefix="strace-") as output:
        done = subprocess.run(
            ["strace", "-f", "-o", output.name, *options, "--", *map(str, command)],
            stdout=subprocess.PIPE,
            cwd=cwd,
            timeout=TIMEOUT,
            check=False,
        )
        return done.returncode, done.stdout, Path(output.name).read_text(errors="replace")


_SUMMARY_OF = re.compile(r"System call usage summary for (.+) mode:")
_ABI_OF_MODE = {"32 bit": FOREIGN_ABIS[NATIVE][0], "x32": "x32", "64 bit": NATIVE}
_SUMMARY_ROW = re.compile(r"^(\w+)\s+(\d+)(?:\s+(\d+))?\s*$")


def parse_summary(text: str) -> dict[str, dict[str, Tally]]:
    """Read what ``strace SUMMARY_OPTIONS`` wrote: ABI -> name -> tally."""
    abis: dict[str, dict[str, Tally]] = {NATIVE: {}}
    table = abis[NATIVE]
    for line in text.splitlines():
        if mode := _SUMMARY_OF.match(line):
            table = abis.setdefault(_ABI_OF_MODE[mode[1]], {})
        elif (row := _SUMMARY_ROW.match(line)) and row[1] != "total":
            table[row[1]] = Tally(int(row[2]), int(row[3] or 0))
    return abis


_ENDED = re.compile(r"\+\+\+ (.+) \+\+\+")
_SUPERSEDED = re.compile(r"superseded by execve in pid (\d+)")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>")
_CALL = re.compile(r"(\w+)\(")
_NO_RESULT = "?"


def _parse_log(text: str) -> tuple[tuple[LoggedCall, ...], dict[int, str]]:
    calls: list[LoggedCall] = []
    ends: dict[int, str] = {}
    begun: dict[int, str] = {}
    for line in text.splitlines():
        tid_text, _, rest = line.partition(" ")
        tid, rest = int(tid_text), rest.lstrip()
        if ended := _ENDED.match(rest):
            ends[tid] = ended[1]
            if tid in begun:
                calls.append(_call(tid, begun.pop(tid)))
            if heir := _SUPERSEDED.match(ended[1]):  # a thread's exec returns under this tid
                begun[tid] = begun.pop(int(heir[1]))
        elif rest.endswith("<unfinished ...>"):
            begun[tid] = rest.removesuffix("<unfinished ...>")
        elif _RESUMED.match(rest):
            calls.append(_call(tid, begun.pop(tid, "") + _RESUMED.sub("", rest, count=1)))
        elif _CALL.match(rest):
            calls.append(_call(tid, rest))
    calls.extend(_call(tid, rest) for tid, rest in begun.items())
    return tuple(calls), ends


def _call(tid: int, line: str) -> LoggedCall:
    text, _, result = line.rpartition(" = ")
    name = _CALL.match(line)
    assert name is not None, f"strace wrote what its reader does not know: {line!r}"
    returned = result if text and result != _NO_RESULT else None
    return LoggedCall(tid, name[1], text or line, returned)
