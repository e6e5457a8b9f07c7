"""A call with its arguments as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer.report.decode.signatures import SIGNATURES
from tracer.report.decode.values import KINDS, clone_flags, pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

_CREATES = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE: only then does open take a mode
_ARM = ("arm64", "arm")
_32_BIT = ("i386", "arm")


def call_text(abi: str, name: str, args: Sequence[int]) -> str:
    """``openat(AT_FDCWD, 0x5581…, O_RDONLY|O_CLOEXEC)``; ``name`` and ``abi`` as recorded.

    Of a call whose arguments are not known here, all six registers are given.
    """
    if name == "clone":
        return f"clone({_clone(abi, args)})"
    kinds = _kinds(abi, name, args)
    if kinds is None:
        return f"{name}({', '.join(hex(value) for value in args)})"
    return f"{name}({', '.join(KINDS[kind](v) for kind, v in zip(kinds, args, strict=False))})"


def _kinds(abi: str, name: str, args: Sequence[int]) -> tuple[str, ...] | None:
    # 32-bit ABIs pass 64-bit offsets in two registers, i386's mmap all by one pointer.
    if abi in _32_BIT and (name in ("mmap", "socketcall") or "long" in SIGNATURES.get(name, ())):
        return None
    kinds = SIGNATURES.get(name)
    if kinds is None:
        return None
    if name in ("open", "openat") and not args[len(kinds) - 2] & _CREATES:
        kinds = kinds[:-1]
    if abi in _ARM:
        return tuple("open_flags_arm" if kind == "open_flags" else kind for kind in kinds)
    return kinds


def _clone(abi: str, args: Sequence[int]) -> str:
    """clone's last two arguments change places between the ABIs (clone(2))."""
    flags, stack, parent_tid, fourth, fifth = args[:5]
    child_tid, tls = (fourth, fifth) if abi in ("x86_64", "x32") else (fifth, fourth)
    return (
        f"flags={clone_flags(flags)}, child_stack={pointer(stack)},"
        f" parent_tid={pointer(parent_tid)}, child_tid={pointer(child_tid)}, tls={pointer(tls)}"
    )
