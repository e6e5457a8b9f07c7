"""What is worth knowing about a profile that is valid: findings, for ``profile check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from tracer import syscalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer.profile.records import Action, Condition, Profile, Rule

# What the kernel and the dynamic loader of glibc ask for before main(), on 2.36 and later.
# A call that this machine's ABI does not have is passed over.
_LOADER = (
    *("brk", "mmap", "mprotect", "munmap", "openat", "read", "pread64", "close"),
    *("fstat", "newfstatat", "access", "faccessat", "arch_prctl", "set_tid_address"),
    *("set_robust_list", "rseq", "prlimit64", "getrandom"),
)
_INT = 0xFFFFFFFF
_RINGS = ("io_uring_setup", "io_uring_enter")


class Finding(NamedTuple):
    """Something about a profile that its author should know; never an error."""

    level: Literal["warning", "note"]
    """``warning``: it probably does not do what was meant."""
    line: int | None
    """None where it is about the profile as a whole."""
    message: str


def check(profile: Profile) -> list[Finding]:
    """What is remarkable about a valid profile, in the order of its lines, the whole first."""
    findings = [
        *_starting(profile),
        *_forking(profile),
        *_rings(profile),
        *_without_effect(profile),
        *_bypassed(profile),
        *(
            Finding("note", entry.line, f'"{entry.name}" is left out: it {entry.reason}')
            for entry in profile.skipped
        ),
    ]
    return sorted(findings, key=lambda finding: finding.line or 0)


def _action(profile: Profile, name: str) -> Action | None:
    """What becomes of a call whatever its arguments; None if that depends, or it is not there."""
    abi = profile.abis[0]
    nr = syscalls.number(abi, name)
    if nr is None or name in profile.conditional:
        return None
    return profile.decide(abi, nr).action


def _starting(profile: Profile) -> Iterator[Finding]:
    for name, effect in (
        ("execve", "no command can be started, as the filter is loaded before execve"),
        ("exit_group", "no program can end of itself"),
        ("rt_sigreturn", "no program returns from a signal handler"),
    ):
        action = _action(profile, name)
        starts = name == "execve" and profile.exec_once
        if action and not action.permits and not starts:
            message = f'{name} is {action}: {effect}; add "{name}" to allow'
            yield Finding("warning", None, message)
    actions = {name: _action(profile, name) for name in _LOADER}
    refused = [name for name, action in actions.items() if action and not action.permits]
    if refused:
        yield Finding(
            "warning",
            None,
            f"dynamically linked programs ask for {', '.join(refused)} before main() and are "
            "refused; a static program may do without",
        )


def _forking(profile: Profile) -> Iterator[Finding]:
    clone, clone3 = _action(profile, "clone"), _action(profile, "clone3")
    if clone and clone3 and clone.permits and not clone3.permits and clone3.errno != "ENOSYS":
        yield Finding(
            "warning",
            None,
            f"clone is {clone} and clone3 is {clone3}: glibc tries clone3 first and takes clone "
            "only after ENOSYS; allow clone3, or list it under [errno] ENOSYS",
        )


def _rings(profile: Profile) -> Iterator[Finding]:
    actions = [_action(profile, name) for name in _RINGS]
    if profile.restricts and all(action and action.permits for action in actions):
        yield Finding(
            "warning",
            None,
            "io_uring is allowed: what a program does through a ring passes no filter; "
            'list "io_uring_setup" under [errno] ENOSYS',
        )


def _without_effect(profile: Profile) -> Iterator[Finding]:
    seen: dict[tuple[str, Action], Rule] = {}
    for rule in profile.rules:
        if rule.conditions or rule.path:
            continue
        earlier = seen.setdefault((rule.entry, rule.action), rule)
        if earlier is not rule:
            message = f'"{rule.entry}" stands in this list already, on line {earlier.line}'
            yield Finding("note", rule.line, message)
        elif rule.action == profile.default_action and not _overrides(profile, rule):
            message = f'"{rule.entry}" is {rule.action} by default already'
            yield Finding("note", rule.line, message)


def _overrides(profile: Profile, rule: Rule) -> bool:
    """Whether the entry takes something out of a wider one with another action."""
    return any(
        other.action != rule.action and not other.conditions and other.syscalls & rule.syscalls
        for other in profile.rules
    )


def _bypassed(profile: Profile) -> Iterator[Finding]:
    found = (each for rule in profile.rules if not rule.path for each in _bypassed_by(rule))
    yield from dict.fromkeys(found)


def _bypassed_by(rule: Rule) -> Iterator[Finding]:
    """What upper bits of a register pass by in a rule, as it is written."""
    if rule.written and not _is_plain(rule):
        return  # the table says how many bits an argument has that is called by its name
    for condition in rule.conditions:
        if _passed_by(condition, permits=rule.action.permits):
            verb = "allows" if rule.action.permits else "refuses"
            text = " and ".join(rule.written) or str(condition)
            yield Finding(
                "warning",
                rule.line,
                f'"{text}" {verb} by all 64 bits of the register, but the kernel takes '
                "most arguments as 32-bit ints, so other upper bits pass by; if it is an int, "
                f"{_UNDER_MASK if rule.written else _by_lower_half(condition)}",
            )


def _is_plain(rule: Rule) -> bool:
    return all(text.startswith("arg") for text in rule.holds_if)


def _passed_by(condition: Condition, *, permits: bool) -> bool:
    """Whether a register whose upper half is set at will gets by, though the int is the same.

    To be let through it must make a condition true that permits, or false one that refuses.
    """
    if condition.op == "==":
        return not permits and condition.mask > _INT
    return condition.op in (("!=", ">", ">=") if permits else ("<", "<="))


_UNDER_MASK = "list the values that are meant, each under the mask 0xffffffff with =="


def _by_lower_half(condition: Condition) -> str:
    if condition.op != "==":
        return _UNDER_MASK
    mask, value = condition.mask & _INT, condition.value & _INT
    return f'write "arg{condition.index} & {mask:#x} == {value:#x}"'
