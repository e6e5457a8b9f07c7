"""A call with its arguments as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.decode.signatures import SIGNATURES
from tracer.decode.values import KINDS, clone_flags, option, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CREATES = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE: only then does open take a mode
_WORD = 0xFFFF_FFFF
_FLAGS = ("clone_flags", "prot")
_ARM = ("arm64", "arm")
_OTHER_ON_ARM = ("open_flags", "pipe_flags")
_32_BIT = ("i386", "arm")
# The calls that take 64 bits in two registers where these have 32 (syscall(2)); other longs
# are as wide as a register.
_IN_TWO_REGISTERS = frozenset(
    (
        *("truncate64", "ftruncate64", "pread64", "pwrite64", "readahead", "fallocate"),
        *("fadvise64", "fadvise64_64", "arm_fadvise64_64", "sync_file_range", "sync_file_range2"),
        "fanotify_mark",
    )
)
_WIDE = ("long", "mask")


def call_text(
    abi: str, name: str, args: Sequence[int], paths: Sequence[str | None] | None = None
) -> str:
    """``openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC)``; ``name`` and ``abi`` as recorded.

    ``paths``: what the path arguments said; None within for what could not be read, which is
    then said of the pointer. A number without a name is given with all six registers.
    """
    if name == "clone":
        return f"clone({_clone(abi, args)})"
    kinds = _kinds(abi, name, args)
    if kinds is None:
        return f"{name}({', '.join(hex(value) for value in args)})"
    values = _merged(abi, name, kinds, args)
    return f"{name}({', '.join(_texts(kinds, values, paths or ()))})"


def value_texts(name: str, values: Sequence[tuple[int, int, int]]) -> list[str]:
    """What the values of a call's arguments are called, each given as (argument, mask, value).

    They are of one way to make the call: an option is named by its level, which stands before it.
    """
    whole = {index: value for index, mask, value in values if mask == _WORD}
    return [
        option(whole[index - 1], value)
        if _is_option(name, index) and mask == _WORD and index - 1 in whole
        else _value_text(name, index, mask, value)
        for index, mask, value in values
    ]


def _is_option(name: str, index: int) -> bool:
    return SIGNATURES.get(name, ())[index : index + 1] == ("option",)


def _value_text(name: str, index: int, mask: int, value: int) -> str:
    """What the bits of an argument under a mask are called: ``AF_UNIX``, ``no PROT_EXEC``…"""
    kinds = ("clone_flags",) if name == "clone" else SIGNATURES.get(name, ())
    if name == "clone" and not value and mask != _WORD:
        return "no new namespace"
    if index >= len(kinds):
        return hex(value)
    kind = KINDS[kinds[index]]
    if kinds[index] in _FLAGS and mask != _WORD:
        return kind(value) if value else f"no {kind(mask)}"
    return kind(value)


def _texts(
    kinds: Sequence[str], values: Sequence[int], paths: Sequence[str | None]
) -> Iterator[str]:
    left, before = list(paths), 0
    for kind, value in zip(kinds, values, strict=False):
        if kind == "path" and left:
            yield _path(value, left.pop(0))
        elif kind == "option":
            yield option(before, value)
        else:
            yield KINDS[kind](value)
        before = value


def _path(value: int, text: str | None) -> str:
    if text is not None:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:#x} /* could not be read */" if value else pointer(value)


def _kinds(abi: str, name: str, args: Sequence[int]) -> tuple[str, ...] | None:
    if abi == "i386" and name == "mmap":  # old_mmap: all six lie where the first one points to
        return ("ptr",)
    kinds = SIGNATURES.get(name)
    if kinds is None:
        return None
    if name in ("open", "openat") and not args[len(kinds) - 2] & _CREATES:
        kinds = kinds[:-1]
    if abi in _ARM:
        kinds = tuple(f"{kind}_arm" if kind in _OTHER_ON_ARM else kind for kind in kinds)
    if abi in _32_BIT and name not in _IN_TWO_REGISTERS:
        return tuple("int" if kind == "long" else kind for kind in kinds)
    return kinds


def _merged(abi: str, name: str, kinds: Sequence[str], args: Sequence[int]) -> Sequence[int]:
    """The arguments where 64 bits may lie in two registers, the lower half first."""
    if abi not in _32_BIT or name not in _IN_TWO_REGISTERS:
        return args
    found, at = [], 0
    for kind in kinds:
        if kind not in _WIDE:
            found.append(args[at])
            at += 1
            continue
        at += at % 2 if abi == "arm" else 0  # arm takes a pair of an even and an odd register
        found.append(args[at] | args[at + 1] << 32)
        at += 2
    return found


def _clone(abi: str, args: Sequence[int]) -> str:
    """clone's last two arguments change places between the ABIs (clone(2))."""
    flags, stack, parent_tid, fourth, fifth = args[:5]
    child_tid, tls = (fourth, fifth) if abi in ("x86_64", "x32") else (fifth, fourth)
    return (
        f"flags={clone_flags(flags)}, child_stack={pointer(stack)},"
        f" parent_tid={pointer(parent_tid)}, child_tid={pointer(child_tid)}, tls={pointer(tls)}"
    )
