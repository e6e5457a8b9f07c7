"""A profile as data: frozen records, and the decision that they amount to."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from tracer import syscalls
from tracer.profile import execs
from tracer.profile.newer import NEWEST, Version, is_newer

ActionKind = Literal["allow", "log", "errno", "trap", "kill_thread", "kill_process"]
ACTION_KINDS: tuple[ActionKind, ...] = (
    "allow",
    "log",
    "errno",
    "trap",
    "kill_thread",
    "kill_process",
)
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
FULL_MASK = 2**64 - 1

# net/socket.c and ipc/syscall.c: what the first argument of i386's two multiplexers selects.
# Filters of libseccomp look into it, so a rule for "socket" holds for both ways in.
SOCKETCALLS = (
    *("socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername"),
    *("socketpair", "send", "recv", "sendto", "recvfrom", "shutdown", "setsockopt"),
    *("getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg", "sendmmsg"),
)
"""The call that socketcall's first argument selects, counted from 1."""
IPC_CALLS = {
    1: "semop",
    2: "semget",
    3: "semctl",
    4: "semtimedop",
    11: "msgsnd",
    12: "msgrcv",
    13: "msgget",
    14: "msgctl",
    21: "shmat",
    22: "shmdt",
    23: "shmget",
    24: "shmctl",
}
"""The call that the first argument of ipc selects."""
MULTIPLEXED = frozenset(SOCKETCALLS) | frozenset(IPC_CALLS.values())


class Action(NamedTuple):
    """What becomes of a call: one of seccomp's actions."""

    kind: ActionKind
    errno: str | None = None
    """Name of the error that an ``errno`` action returns; None for the others."""

    def __str__(self) -> str:
        """The profile's own spelling: ``allow``, ``errno:EPERM``."""
        return f"{self.kind}:{self.errno}" if self.errno else self.kind

    @property
    def permits(self) -> bool:
        """True if the kernel executes the call (``allow`` and ``log``)."""
        return self.kind in ("allow", "log")


ALLOW = Action("allow")
KILL_PROCESS = Action("kill_process")


class Condition(NamedTuple):
    """A comparison of one argument register, unsigned, 64 bits wide (32 on a 32-bit ABI)."""

    index: int  # type: ignore[assignment] # the argument's, not tuple.index
    """0 to 5."""
    op: Operator
    value: int
    mask: int = FULL_MASK
    """Bits of the argument that are looked at; other than all of them only with ``==``."""

    def __str__(self) -> str:
        """The profile's own spelling: ``arg1 & 0xffffffff == 0x5412``."""
        masked = "" if self.mask == FULL_MASK else f" & {self.mask:#x}"
        return f"arg{self.index}{masked} {self.op} {_readable(self.value)}"

    def holds(self, args: tuple[int, ...], width_mask: int = FULL_MASK) -> bool:
        """Whether it is true of six argument registers, cut to ``width_mask``."""
        value = args[self.index] & self.mask & width_mask
        match self.op:
            case "==":
                return value == self.value
            case "!=":
                return value != self.value
            case "<":
                return value < self.value
            case "<=":
                return value <= self.value
            case ">":
                return value > self.value
            case ">=":
                return value >= self.value


def _readable(value: int) -> str:
    return str(value) if value < 1024 else f"{value:#x}"


class Rule(NamedTuple):
    """One entry of a profile: a name or group in an action's list, or a ``[[rule]]``."""

    line: int
    """Where it stands in the profile's file, counted from 1."""
    entry: str
    """The name or group as it is written; for a ``[[rule]]``, its syscalls joined by commas."""
    action: Action
    syscalls: frozenset[str]
    """Every name that it covers on the profile's ABIs, groups resolved."""
    conditions: tuple[Condition, ...] = ()
    """All must hold; empty for an entry of a list."""
    written: tuple[str, ...] = ()
    """The conditions as the profile has them, where ``conditions`` are only equal to them, or one
    of several sets that are together; empty where they are the very same."""
    path: str = ""
    """The profile that has it, where that is one which this profile extends; empty for its own."""

    @property
    def is_group(self) -> bool:
        """True for an entry such as ``@file-system``."""
        return self.entry.startswith("@")

    @property
    def holds_if(self) -> tuple[str, ...]:
        """The conditions in the profile's words; all must hold."""
        return self.written or tuple(str(condition) for condition in self.conditions)

    @property
    def place(self) -> str:
        """``line 3``; ``line 3 of base.toml`` for one of a profile that is extended."""
        return f"line {self.line} of {self.path}" if self.path else f"line {self.line}"


class Limits(NamedTuple):
    """Resource limits of the target; None = left as it is."""

    cpu_seconds: int | None = None
    """RLIMIT_CPU: CPU time of one process; SIGXCPU at the limit, SIGKILL a second later."""
    address_space_bytes: int | None = None
    """RLIMIT_AS: virtual memory of one process; ENOMEM beyond."""
    data_bytes: int | None = None
    """RLIMIT_DATA: memory of one process that it alone can write to; ENOMEM beyond."""
    open_files: int | None = None
    """RLIMIT_NOFILE: descriptors of one process; EMFILE beyond."""
    processes: int | None = None
    """Processes and threads of the whole target at once; EAGAIN beyond."""
    file_size_bytes: int | None = None
    """RLIMIT_FSIZE: largest file that may be written; SIGXFSZ, then EFBIG."""
    core_bytes: int | None = None
    """RLIMIT_CORE: largest core dump; 0 = none."""
    wall_seconds: float | None = None
    """Time by the clock after which the whole target is ended."""


class Skipped(NamedTuple):
    """A name that the profile lists and that the filter leaves out, with the reason."""

    line: int
    name: str
    reason: str


class Decision(NamedTuple):
    """What the filter does with one call, and by which entry of the profile."""

    action: Action
    rule: Rule | None
    """None: the default action, or the refusal of a foreign ABI."""
    foreign_abi: bool = False
    """True if the call came through an ABI that the profile does not list."""
    is_newer: bool = False
    """True if no entry covers it and it is newer than the profile, so that ``unknown`` holds."""
    by_exec: bool = False
    """True if ``exec = "once"`` refuses it, whatever the lists say."""


class Profile(NamedTuple):
    """A named policy: seccomp rules and resource limits, checked."""

    name: str
    description: str
    path: str
    """The file it was read from, as messages name it."""
    source: str
    """Its text, whole."""
    digest: str
    """SHA-256 of the text, hex."""
    default_action: Action
    """For calls that no rule covers."""
    abis: tuple[str, ...]
    """ABIs that the rules apply to; the native one first."""
    any_abi: bool
    """True if the other ABIs are let through as well; only where nothing is restricted."""
    rules: tuple[Rule, ...]
    """In the order of the file."""
    unconditional: dict[str, Rule]
    """For each name, the list entry that decides: what ``narrowest`` makes of ``rules``."""
    conditional: dict[str, tuple[Rule, ...]]
    """For each name, its ``[[rule]]`` entries; they come before the lists."""
    limits: Limits
    capabilities: int | Literal["keep"] | None = None
    """What the target has at most, as a mask (bit N: capability N); ``keep``: all that its user
    has. None: not said."""
    skipped: tuple[Skipped, ...] = ()
    unknown: Action | None = None
    """For calls that no entry covers and no kernel up to ``knows`` has; None: the default."""
    knows: Version = NEWEST
    extends: tuple[str, ...] = ()
    """Paths of the profiles that it builds on, the nearest first."""
    exec_once: bool = False
    """True if only the launcher's own execve is let through."""

    @property
    def restricts(self) -> bool:
        """False if every call is simply allowed, so that no filter is needed."""
        return self.default_action != ALLOW or bool(self.rules) or not self.any_abi

    @property
    def again(self) -> Action:
        """What becomes of an execve after the first where no entry refuses it, if ``exec_once``."""
        return Action("errno", "EPERM") if self.default_action.permits else self.default_action

    def decide(self, abi: str, nr: int, args: tuple[int, ...] = (0,) * 6) -> Decision:
        """What the compiled filter does with a call; the kernel's answer, without the kernel.

        ``args`` are the six argument registers, unsigned. An x32 number that comes with
        ``x86_64`` is taken as x32, as the kernel's AUDIT_ARCH does not tell them apart.
        """
        abi = syscalls.abi_of(abi, nr)
        if abi not in self.abis:
            if self.any_abi:
                return Decision(self.default_action, None)
            return Decision(KILL_PROCESS, None, foreign_abi=True)
        name = syscalls.name(abi, nr)
        rule = self._rule_for(abi, name, args)
        if self.exec_once and nr in execs.numbers(abi):
            refused = rule is not None and not rule.action.permits
            return Decision(rule.action, rule) if rule and refused else self._again()
        if rule is None and self.unknown is not None and self._is_newer(abi, nr, name):
            return Decision(self.unknown, None, is_newer=True)
        return Decision(rule.action if rule else self.default_action, rule)

    def _again(self) -> Decision:
        return Decision(self.again, None, by_exec=True)

    def _is_newer(self, abi: str, nr: int, name: str) -> bool:
        return name not in self.conditional and is_newer(abi, nr, self.knows)

    def _rule_for(self, abi: str, name: str, args: tuple[int, ...]) -> Rule | None:
        width = 0xFFFFFFFF if abi in syscalls.ABI_32BIT else FULL_MASK
        for rule in self.conditional.get(name, ()):
            if all(condition.holds(args, width) for condition in rule.conditions):
                return rule
        found = self.unconditional.get(name)
        # A rule with the default action is none to libseccomp, so what lies behind decides.
        undecided = found is None or found.action == self.default_action
        if undecided and abi == "i386" and (hidden := demultiplex(name, args)):
            found = self.unconditional.get(hidden, found)
        return found


def narrowest(rules: Iterable[Rule]) -> dict[str, Rule]:
    """For each name, the narrowest list entry that covers it.

    A name beats a group, and a group beats the groups that contain it.
    """
    chosen: dict[str, Rule] = {}
    for rule in rules:
        if not rule.conditions:
            for name in rule.syscalls:
                if name not in chosen or narrower(rule, chosen[name]):
                    chosen[name] = rule
    return chosen


def conditional(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """For each name, its rules with conditions, in their order."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.conditions:
            for name in rule.syscalls:
                found.setdefault(name, []).append(rule)
    return {name: tuple(rules) for name, rules in found.items()}


def narrower(rule: Rule, other: Rule) -> bool:
    """Whether a list entry takes precedence over another that covers the same name."""
    if rule.is_group != other.is_group:
        return other.is_group
    return rule.syscalls < other.syscalls


def demultiplex(name: str, args: tuple[int, ...]) -> str | None:
    """The call that ``socketcall`` or ``ipc`` stands for; None if it is neither."""
    selector = args[0] & 0xFFFFFFFF
    if name == "socketcall" and 1 <= selector <= len(SOCKETCALLS):
        return SOCKETCALLS[selector - 1]
    return IPC_CALLS.get(selector) if name == "ipc" else None
