"""From a profile to a seccomp filter, by libseccomp. The one owner of pyseccomp.

Everything that can go wrong goes wrong in ``compile``, in the parent, before anything is
started; the child only loads what was compiled.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from tracer import syscalls
from tracer.errors import ProfileError, SandboxError
from tracer.profile.conditions import elsewhere
from tracer.profile.records import FULL_MASK, MULTIPLEXED, Action, Profile, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.profile.machine import Program
    from tracer.sandbox.prologue import Prologue

_API_LEVEL = 3  # seccomp_api_get(3): KILL_PROCESS and LOG need 3, Linux 4.14
# seccomp_attr_set(3), SCMP_FLTATR_CTL_OPTIMIZE: an ioctl under STRICT takes 30 instructions
# instead of 263. Only calls that no argument decides have the kernel's cache (Linux 5.11).
_OPTIMIZE_BINARY_TREE = 2
_OPERATORS = {"==": "EQ", "!=": "NE", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS, linux/bpf_common.h
_INSTRUCTION_BYTES = 8
_ARCH_NAMES = {"i386": "X86", "x32": "X32", "arm": "ARM"}


class Unfiltered(NamedTuple):
    """A call on a foreign ABI that the profile allows and that libseccomp cannot express.

    It gets the default action, so less is allowed than the profile says, never more.
    """

    abi: str
    name: str
    rule: Rule


class CompiledFilter:
    """A filter that libseccomp has accepted; the launcher loads ``code``."""

    def __init__(
        self,
        filter_: Any,  # noqa: ANN401 - pyseccomp has no types
        unfiltered: tuple[Unfiltered, ...],
        prologue: Prologue | None = None,
        path: str = "",
    ) -> None:
        """``path``: the profile's file, as messages name it."""
        self._filter = filter_
        self._path = path
        self._prologue = prologue
        self.unfiltered = unfiltered
        """What the filter refuses although the profile allows it."""

    @property
    def secret_at(self) -> tuple[int, ...]:
        """Which instructions of ``code`` compare the launcher's secret: see ``prologue``."""
        return self._prologue.secret_at if self._prologue else ()

    def program(self) -> Program:
        """The instructions; none if the profile restricts nothing. The secret is a random one.

        Raises ProfileError as ``code`` does.
        """
        if self._filter is None:
            return ()
        from tracer.profile import machine

        return machine.program(self.code())

    def code(self) -> bytes:
        """The filter's classic BPF program, struct sock_filter[]; empty as ``program`` is.

        Raises ProfileError for one that is longer than the kernel takes.
        """
        code = self._assembled()
        length = len(code) // _INSTRUCTION_BYTES
        if length > _MOST_INSTRUCTIONS:
            raise ProfileError(
                f"{self._path}: the filter takes {length} instructions, and the kernel at most"
                f" {_MOST_INSTRUCTIONS}: use fewer conditions on arguments"
            )
        return code

    def _assembled(self) -> bytes:
        with os.fdopen(os.memfd_create("filter"), "w+b") as file:
            if self._filter is not None:
                self._filter.export_bpf(file)
            file.seek(0)
            behind = file.read()
        if self._prologue is None:
            return behind
        before = bytearray(b"".join(struct.pack("=HBBI", *each) for each in self._prologue.program))
        for at in self.secret_at:
            before[8 * at + 4 : 8 * at + 8] = os.urandom(4)
        return bytes(before) + behind

    def listing(self) -> bytes:
        """The filter as libseccomp lists it for people; nothing if it restricts nothing."""
        if self._filter is None:
            return b""
        with os.fdopen(os.memfd_create("listing"), "w+b") as file:
            self._filter.export_pfc(file)
            file.seek(0)
            return file.read()

    def export_bpf(self, file: BinaryIO) -> None:
        """Write ``code`` to a real file."""
        file.write(self.code())
        file.flush()


def compile(profile: Profile) -> CompiledFilter:  # noqa: A001 - filter.compile, as re.compile
    """The filter of a profile, which decides as ``profile.decide`` does.

    Raises SandboxError where libseccomp is missing or too old, ProfileError for a rule that
    it does not take, naming its line.
    """
    if not profile.restricts:
        return CompiledFilter(None, ())
    seccomp = _seccomp()
    _check_native(profile, seccomp)
    builder = _Builder(profile, seccomp)
    merged = builder.for_abi(profile.abis[0])
    for abi in profile.abis[1:]:
        merged.merge(builder.for_abi(abi))
    return CompiledFilter(merged, tuple(builder.unfiltered), builder.prologue(), profile.path)


class _Builder:
    """Gives libseccomp the rules of a profile, for one ABI after the other."""

    def __init__(self, profile: Profile, seccomp: ModuleType) -> None:
        self._profile = profile
        self._seccomp = seccomp
        self.unfiltered: list[Unfiltered] = []

    def prologue(self) -> Prologue | None:
        """What is to stand before libseccomp's program; None for a profile that needs nothing."""
        if self._profile.unknown is None and not self._profile.exec_once:
            return None
        from tracer.sandbox.prologue import prologue

        return prologue(self._profile, self._value)

    def for_abi(self, abi: str) -> Any:  # noqa: ANN401 - pyseccomp has no types
        """A SyscallFilter for one ABI; others are refused by killing the process."""
        seccomp = self._seccomp
        made = seccomp.SyscallFilter(self._value(self._profile.default_action))
        foreign = _KILL if not self._profile.any_abi else self._profile.default_action
        made.set_attr(seccomp.Attr.ACT_BADARCH, self._value(foreign))
        made.set_attr(seccomp.Attr.CTL_OPTIMIZE, _OPTIMIZE_BINARY_TREE)
        if abi in _ARCH_NAMES:
            made.remove_arch(seccomp.system_arch())
            made.add_arch(getattr(seccomp.Arch, _ARCH_NAMES[abi]))
        for name in sorted({*self._profile.unconditional, *self._profile.conditional}):
            if (nr := self._number(abi, name)) is not None:
                self._add(made, nr, name)
        return made

    def _number(self, abi: str, name: str) -> int | None:
        """What libseccomp calls this name; None if the ABI lacks it, or libseccomp does."""
        nr = syscalls.number(abi, name)
        if abi == self._profile.abis[0]:
            return nr  # on the native ABI any number will do, also one unknown to libseccomp
        if nr is None and not (abi == "i386" and name in MULTIPLEXED):
            return None  # semop and semtimedop are i386's too, by way of ipc alone
        # For a foreign ABI libseccomp translates: from its native number, by the name.
        translated: int = self._seccomp.resolve_syscall(self._seccomp.system_arch(), name)
        if translated != -1:
            return translated
        rule = self._widest(name)
        if not rule.action.permits or self._profile.default_action.permits:
            raise self._error(rule, f'this libseccomp cannot refuse "{name}" on {abi}; {_LEAVE}')
        self.unfiltered.append(Unfiltered(abi, name, rule))
        return None

    def _widest(self, name: str) -> Rule:
        """The rule to name in a message, a restricting one first."""
        listed = self._profile.unconditional.get(name)
        rules = [*self._profile.conditional.get(name, ()), *([listed] if listed else [])]
        return next((rule for rule in rules if not rule.action.permits), rules[0])

    def _add(self, made: Any, nr: int, name: str) -> None:  # noqa: ANN401 - pyseccomp has no types
        default = self._profile.default_action
        fallback = self._profile.unconditional.get(name)
        otherwise = fallback.action if fallback else default
        # A rule that says what happens anyway is left out: libseccomp refuses one that equals
        # the default. profile.conditions has seen to it that no other rule needs it.
        ruled = self._profile.conditional.get(name, ())
        if fallback and otherwise != default and any(rule.action == default for rule in ruled):
            left = elsewhere(self._profile, name) or []
            entries = [fallback._replace(conditions=cube) for cube in left]
            rules = [rule for rule in ruled if rule.action != default] + entries
            fallback = None
        else:
            rules = [rule for rule in ruled if rule.action != otherwise]
        for rule in rules:
            self._add_rule(made, nr, name, rule, self._arguments(rule))
        if fallback and fallback.action != default:
            # A rule without arguments would drop those with; one that always holds does not.
            always = [self._seccomp.Arg(0, self._seccomp.GE, 0)] if rules else []
            self._add_rule(made, nr, name, fallback, always)

    def _add_rule(self, made: Any, nr: int, name: str, rule: Rule, args: list[Any]) -> None:  # noqa: ANN401
        try:
            made.add_rule(self._value(rule.action), nr, *args)
        except OSError as error:
            # EEXIST: the very same rule once more, which changes nothing.
            if error.errno != errno.EEXIST:
                raise self._error(rule, f'libseccomp refuses "{name}": {error.strerror}') from None

    def _arguments(self, rule: Rule) -> list[Any]:
        seccomp = self._seccomp
        operators = {op: getattr(seccomp, attribute) for op, attribute in _OPERATORS.items()}
        return [
            seccomp.Arg(c.index, operators[c.op], c.value)
            if c.mask == FULL_MASK
            else seccomp.Arg(c.index, seccomp.MASKED_EQ, c.mask, c.value)
            for c in rule.conditions
        ]

    def _value(self, action: Action) -> int:
        """SCMP_ACT_*."""
        if action.errno is not None:
            value: int = self._seccomp.ERRNO(syscalls.errno_number(action.errno))
        else:
            value = getattr(self._seccomp, action.kind.upper())
        return value

    def _error(self, rule: Rule, reason: str) -> ProfileError:
        return ProfileError(f"{self._profile.path}:{rule.line}: {reason}")


_KILL = Action("kill_process")
_LEAVE = "leave that ABI out of abis, or use a newer libseccomp"


def _seccomp() -> ModuleType:
    """Import pyseccomp, which loads libseccomp."""
    try:
        with _known_libraries():
            import pyseccomp
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        raise SandboxError(
            f"libseccomp cannot be loaded: {error}; install it (Debian: libseccomp2)"
        ) from None
    return _checked(pyseccomp)


@contextmanager
def _known_libraries() -> Iterator[None]:
    """Have another ``ctypes.util`` within the block, which knows the two sonames.

    pyseccomp asks it for libc and libseccomp while it is imported. The real one runs ldconfig
    for each answer, where that fails also gcc and ld, and imports subprocess for that.
    The sonames are what the loader needs, and have been the same since 2012.
    """
    stand_in = ModuleType("ctypes.util")
    vars(stand_in)["find_library"] = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}.get
    before = sys.modules.get("ctypes.util")
    sys.modules["ctypes.util"] = vars(ctypes)["util"] = stand_in
    try:
        yield
    finally:
        if before is None:
            del sys.modules["ctypes.util"], vars(ctypes)["util"]
        else:
            sys.modules["ctypes.util"] = vars(ctypes)["util"] = before


def _checked(seccomp: ModuleType) -> ModuleType:
    try:
        level = seccomp.get_api()
    except NotImplementedError:
        level = 0
    if level < _API_LEVEL:
        raise SandboxError(
            f"seccomp here is of API level {level}, and {_API_LEVEL} is needed for kill_process "
            "and log: Linux 4.14 or later, libseccomp 2.5 or later, seccomp not switched off"
        )
    return seccomp


def _check_native(profile: Profile, seccomp: ModuleType) -> None:
    native = profile.abis[0]
    arch = seccomp.system_arch()
    if native != syscalls.native_abi() or arch != syscalls.AUDIT_ARCH[native]:
        raise SandboxError(
            f"{profile.path}: the profile was read for {native}, and libseccomp filters for "
            f"architecture {arch:#x}; read it again on this machine, with a {native} Python"
        )
