"""One register as text, by what it is: a descriptor, flags, a pointer…"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tracer.decode import constants as c
from tracer.words.signals import signal_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def _low_int(value: int) -> int:
    """The low half of the register, signed: what the kernel takes of an ``int``."""
    low = value & 0xFFFF_FFFF
    return low - (1 << 32) if low & 0x8000_0000 else low


def _signed_long(value: int) -> int:
    return value - (1 << 64) if value & (1 << 63) else value


def pointer(value: int) -> str:
    """``NULL`` or a hexadecimal address."""
    return "NULL" if value == 0 else hex(value)


def _dirfd(value: int) -> str:
    number = _low_int(value)
    return "AT_FDCWD" if number == c.AT_FDCWD else str(number)


def _named(words: str) -> Callable[[int], str]:
    def decode(value: int) -> str:
        number = value & 0xFFFF_FFFF
        return _words(words).get(number, hex(number) if number > 0xFFFF else str(_low_int(value)))

    return decode


def flags(words: str, none: str = "0", *, arm: bool = False) -> Callable[[int], str]:
    """A decoder of flag bits; bits without a name are added as one hexadecimal number."""

    def decode(value: int) -> str:
        left, parts = value & 0xFFFF_FFFF, []
        for bits, name in _by_width(words, arm=arm):
            if bits and left & bits == bits:
                parts.append((bits, name))
                left &= ~bits
        texts = [name for _, name in sorted(parts)] + ([hex(left)] if left else [])
        return "|".join(texts) or none

    return decode


def _words(words: str, *, arm: bool = False) -> Mapping[int, str]:
    from tracer.words import lookup  # 3,000 words: for whoever has a call to write

    return lookup.by_number(words, arm=arm)


def _personality(value: int) -> str:
    """Flags; 0xffffffff asks for those that are set, and sets none."""
    number = value & 0xFFFF_FFFF
    return hex(number) if number == 0xFFFF_FFFF else flags(c.PERSONALITY_FLAGS, "PER_LINUX")(number)


@functools.cache
def _by_width(words: str, *, arm: bool) -> Sequence[tuple[int, str]]:
    """A name of several bits (O_SYNC) goes before the names of some of them (O_DSYNC)."""
    return sorted(_words(words, arm=arm).items(), key=lambda item: -item[0].bit_count())


def _open_flags(*, arm: bool) -> Callable[[int], str]:
    rest = flags(c.OPEN_FLAGS, none="", arm=arm)

    def decode(value: int) -> str:
        more = rest(value & ~3)
        return _words(c.ACCESS_MODE)[value & 3] + (f"|{more}" if more else "")

    return decode


def _socket_type(value: int) -> str:
    kind, more = value & 0xF, flags(c.SOCKET_FLAGS, none="")(value & 0xFFFF_FFF0)
    return _words(c.SOCKET_TYPES).get(kind, str(kind)) + (f"|{more}" if more else "")


def clone_flags(value: int) -> str:
    """Flags of clone(2): the lowest byte is the signal that the parent gets at the end."""
    ends_with = value & 0xFF
    parts = flags(c.CLONE_FLAGS, none="")(value & 0xFFFF_FF00)
    texts = ([parts] if parts else []) + ([signal_name(ends_with)] if ends_with else [])
    return "|".join(texts) or "0"


def _signal(value: int) -> str:
    return signal_name(_low_int(value)) if value & 0xFFFF_FFFF else "0"


def _mode(value: int) -> str:
    return f"0{value & 0o177777:03o}"


def _futex(value: int) -> str:
    more = flags("FUTEX_PRIVATE_FLAG FUTEX_CLOCK_REALTIME", none="")
    name = _named(c.FUTEX_OPERATIONS)(value & 0x7F)
    return name + (f"|{more(value & ~0x7F)}" if value & ~0x7F & 0xFFFF_FFFF else "")


def _whole(value: int) -> str:
    return str(_low_int(value))


def option(level: int, value: int) -> str:
    """An option of setsockopt or getsockopt, which means something only together with its level."""
    words = c.SOCKET_OPTIONS.get(_named(c.SOCKET_LEVELS)(level))
    return _named(words)(value) if words else _whole(value)


KINDS: dict[str, Callable[[int], str]] = {
    "access": flags(c.ACCESS_FLAGS, none="F_OK"),
    "advice": _named(c.ADVICE),
    "at_flags": flags(c.AT_FLAGS),
    "bpf": _named(c.BPF_COMMANDS),
    "clock": _named(c.CLOCKS),
    "clone_flags": flags(c.CLONE_FLAGS),
    "dirfd": _dirfd,
    "epoll": _named(c.EPOLL_OPERATIONS),
    "family": _named(c.FAMILIES),
    "fcntl": _named(c.FCNTL_COMMANDS),
    "fd": _whole,
    "futex": _futex,
    "hex": hex,
    "id": _whole,
    "int": _whole,
    "ioctl": _named(c.IOCTLS),
    "level": _named(c.SOCKET_LEVELS),
    "long": lambda value: str(_signed_long(value)),
    "map": flags(c.MAP_FLAGS),
    "mask": hex,
    "memfd": flags(c.MEMFD_FLAGS),
    "personality": _personality,
    "mode": _mode,
    "mount": flags(c.MOUNT_FLAGS),
    "open_flags": _open_flags(arm=False),
    "option": _whole,
    "open_flags_arm": _open_flags(arm=True),
    "path": pointer,
    "pid": _whole,
    "pipe_flags": flags(c.PIPE_FLAGS),
    "pipe_flags_arm": flags(c.PIPE_FLAGS, arm=True),
    "prctl": _named(c.PRCTLS),
    "prot": flags(c.PROT_FLAGS, none="PROT_NONE"),
    "ptr": pointer,
    "ptrace": _named(c.PTRACE_REQUESTS),
    "random": flags(c.RANDOM_FLAGS),
    "resource": _named(c.RESOURCES),
    "seccomp": _named(c.SECCOMP_OPERATIONS),
    "shutdown": _named(c.SHUTDOWN),
    "sigmask": _named(c.SIGMASK),
    "signal": _signal,
    "size": str,
    "socket_flags": flags(c.SOCKET_FLAGS),
    "socket_type": _socket_type,
    "uint": lambda value: str(value & 0xFFFF_FFFF),
    "wait": flags(c.WAIT_FLAGS),
    "whence": _named(c.WHENCE),
}
"""How each kind of argument is written; the kinds are those of ``signatures``. ``option`` takes its
level, too: see ``option``."""
