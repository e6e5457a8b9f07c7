"""What a profile means in words: the line that would let a call through."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer import syscalls
from tracer.errors import ProfileError
from tracer.profile.lines import Lines
from tracer.profile.parse import parse
from tracer.profile.records import ALLOW, Condition, Decision, Profile, Rule, demultiplex
from tracer.profile.spoken import spoken

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

_INT = 0xFFFFFFFF
_NAMESPACES = 0x7E020000
"""CLONE_NEW* of include/uapi/linux/sched.h, but CLONE_NEWTIME, which is no flag of clone."""
# The arguments by which a call of many uses is told apart, and the bits of them that tell. Most
# are ints to the kernel, which ignores the upper half of the register.
_DECIDING: dict[str, dict[int, int]] = {
    "arch_prctl": {0: _INT},
    "bpf": {0: _INT},
    "clone": {0: _NAMESPACES},
    "fcntl": {1: _INT},
    "ioctl": {1: _INT},
    "keyctl": {0: _INT},
    "madvise": {2: _INT},
    "personality": {0: _INT},
    "prctl": {0: _INT},
    "ptrace": {0: _INT},
    "setsockopt": {1: _INT, 2: _INT},
    "socket": {0: _INT},
    "socketpair": {0: _INT},
}


_LINE = 52
"""Characters of a list that stay on one line in a report of 80 columns."""


class Remedy(NamedTuple):
    """The change to a profile that would let one blocked call through."""

    path: str
    line: int
    """Where to make it."""
    change: str
    """What to do there: the line as it should read, or the line to add or take out."""
    reason: str
    """Which entry refuses the call now."""
    narrower: str | None = None
    """A ``[[rule]]`` that allows only calls like this one; None where arguments tell nothing."""

    def __str__(self) -> str:
        """``profiles/STRICT.toml:14: allow = [..., "socket"]``."""
        return f"{self.path}:{self.line}: {self.change}"


def remedy(
    profile: Profile,
    abi: str,
    nr: int,
    args: tuple[int, ...] = (0,) * 6,
    *,
    unlogged: bool = False,
) -> Remedy | None:
    """The exact line that would allow a call in this profile; None if it is allowed already.

    ``unlogged``: a call that is let through and logged is not allowed yet. ``args`` are the six
    argument registers, unsigned. For a run of the past, give the profile that
    ``parse(run.profile_source, run.profile_path)`` makes.
    """
    abi = syscalls.abi_of(abi, nr)
    decision = profile.decide(abi, nr, args)
    if decision.action.permits and not (unlogged and decision.action != ALLOW):
        return None
    lines = Lines(profile.source)
    if decision.foreign_abi:
        return _foreign(profile, abi, lines)
    name = syscalls.name(abi, nr)
    if abi == "i386":
        name = demultiplex(name, args) or name
    if decision.by_exec:
        return Remedy(
            profile.path,
            lines.of("exec") or 1,
            'take out exec = "once"',
            'exec = "once" refuses every execve after the one that starts the command',
        )
    if decision.rule and decision.rule.conditions and not decision.rule.path:
        return _conditional(profile, decision.rule, name)
    return _listed(profile, decision, (abi, nr, args), name)


def _foreign(profile: Profile, abi: str, lines: Lines) -> Remedy:
    wanted = ", ".join(f'"{entry}"' for entry in ("native", *profile.abis[1:], abi))
    change, line = f"abis = [{wanted}]", lines.of("abis")
    return Remedy(
        profile.path,
        line or _top(lines),
        change if line else f"add the line {change}",
        f"the call came through the {abi} ABI, and the profile allows only "
        f"{', '.join(profile.abis)}",
    )


def _conditional(profile: Profile, rule: Rule, name: str) -> Remedy:
    holds = " and ".join(rule.holds_if)
    return Remedy(
        profile.path,
        rule.line,
        f'take "{name}" out of this [[rule]], or narrow its args',
        f"the [[rule]] of line {rule.line} gives {rule.action} where {holds}",
    )


def _listed(
    profile: Profile, decision: Decision, call: tuple[str, int, tuple[int, ...]], name: str
) -> Remedy:
    lines = Lines(profile.source)
    rule = decision.rule
    narrower = _narrower(profile, call, name)
    if rule and not rule.is_group and not rule.path:
        list_name = "errno." + str(rule.action.errno) if rule.action.errno else rule.action.kind
        return Remedy(
            profile.path,
            rule.line,
            f'move "{name}" from {list_name} to {_allow(name, lines)}',
            f'"{rule.entry}" is {rule.action} by line {rule.line}',
            narrower,
        )
    reason = f"no rule covers {name}, and the default action is {profile.default_action}"
    if decision.is_newer:
        reason = f"no rule covers {name}, which is newer than the profile: {profile.unknown}"
    if rule:
        holds = f", which holds {name}," if rule.is_group else ""
        reason = f'"{rule.entry}" of {rule.place}{holds} is {rule.action}'
    line = lines.of("allow")
    change = _allow(name, lines)
    return Remedy(
        profile.path,
        line or _top(lines),
        change if line else f"add the line {change}",
        reason,
        narrower,
    )


def _allow(name: str, lines: Lines) -> str:
    return f'allow = [..., "{name}"]' if lines.of("allow") else f'allow = ["{name}"]'


def _top(lines: Lines) -> int:
    """A line after which a key of the top table may be added, before any [table] begins."""
    return lines.of("default_action") or lines.of("extends") or 1


def _narrower(profile: Profile, call: tuple[str, int, tuple[int, ...]], name: str) -> str | None:
    """A rule for calls with the deciding arguments of this one; None if there can be none."""
    args, deciding = call[2], _DECIDING.get(name, {})
    masks = dict(deciding)
    for rule in profile.conditional.get(name, ()):
        if rule.action.permits and _same_use(rule, deciding, args):
            # It allows other arguments of the same use: look at the ones it looks at.
            masks |= {condition.index: condition.mask for condition in rule.conditions}
    if not masks:
        return None
    wanted = [
        Condition(index, "==", args[index] & mask, mask) for index, mask in sorted(masks.items())
    ]
    terms = _in_lines([f'"{each}"' for each in spoken(name, wanted, profile.abis)])
    text = f'[[rule]]\nsyscalls = ["{name}"]\naction = "allow"\nargs = [{terms}]'
    return text if _works(profile, text, call) else None


def _in_lines(terms: Sequence[str]) -> str:
    """What stands in a list: on one line, or where that is long a line each, not to be folded."""
    line = ", ".join(terms)
    return line if len(line) <= _LINE else "".join(f"\n    {term}," for term in terms) + "\n"


def _same_use(rule: Rule, deciding: Container[int], args: tuple[int, ...]) -> bool:
    """Whether nothing that tells the call's uses apart keeps the rule from this call."""
    return all(c.holds(args) for c in rule.conditions if c.index in deciding)


def _works(profile: Profile, rule: str, call: tuple[str, int, tuple[int, ...]]) -> bool:
    """Whether the rule, put at the profile's end, can stand there and lets the call through."""
    try:
        changed = parse(f"{profile.source}\n{rule}\n", profile.path, profile.abis[0])
    except ProfileError:
        return False
    return changed.decide(*call).action == ALLOW
