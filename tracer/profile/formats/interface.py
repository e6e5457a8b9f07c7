"""What a format is given, and what it is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile.where import did_you_mean
from tracer.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer.profile.formats.policy import Policy, Remarks
    from tracer.profile.machine import Program

Kernel = tuple[int, int]
"""Version and patchlevel: (6, 18)."""


class Compiled(Protocol):
    """A profile's filter as libseccomp makes it; empty where the profile restricts nothing."""

    def program(self) -> Program:
        """Its instructions."""

    def listing(self) -> bytes:
        """Its pseudo filter code."""


class Source(NamedTuple):
    """What is exported."""

    policy: Policy
    compiled: Callable[[], Compiled]
    """Its filter, made when it is asked for."""


class Context(NamedTuple):
    """What an import depends on beside the file."""

    path: str
    """As messages name it."""
    capabilities: frozenset[str] = frozenset()
    """``CAP_…`` that the program has: Docker's profiles let more through by them."""
    of_abi: str | None = None
    """None: this machine's."""
    kernel: Kernel = (0, 0)

    @property
    def abi(self) -> str:
        """The ABI that names are looked up in. Raises SbtraceError on a machine without one."""
        return self.of_abi or syscalls.native_abi()

    def fail(self, place: str | int | None, message: str) -> NoReturn:
        """Raise the ProfileError for something in the file: a line, or ``syscalls[3].action``."""
        at = f":{place}" if isinstance(place, int) else f": {place}" if place else ""
        raise ProfileError(printable(f"{self.path}{at}: {message}"))


class Format(NamedTuple):
    """One foreign format: a file of this folder."""

    name: str
    """What ``--format`` takes."""
    about: str
    write: Callable[[Source, Remarks], bytes] | None
    """The file of a policy; None if it is only read."""
    read: Callable[[bytes, Context, Remarks], Policy] | None
    """The policy of a file. Raises ProfileError, naming file and place. None: only written."""
    looks_like: Callable[[str, bytes], bool]
    """Whether a file is of this format, by its name and content."""
    keeps: frozenset[str] = frozenset()
    """Fields of a profile that are in the compiled filter, and so in this format alone."""


def running_kernel() -> Kernel:
    """The version of the kernel here; (0, 0) for one that is written in another way."""
    match = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def hint(word: object, known: Iterable[str]) -> str:
    """The known word that is near, or all of them: the end of a message."""
    known = list(known)
    near = did_you_mean(word, known) if isinstance(word, str) else ""
    return near or f"; known: {', '.join(known)}"


def text(data: bytes, context: Context) -> str:
    """The file as text. Raises ProfileError where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        context.fail(line, "not UTF-8: is it a filter in binary? give --format bpf")
